"""The band's music is what its truth says, and its instruments sound as their names say."""

from __future__ import annotations

import itertools
import json

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from soundloom.band import instruments
from soundloom.band.compose import FORMS, GROOVES, compose
from soundloom.band.instruments import ELECTRIC, StringModel, drum_kit, pluck
from soundloom.band.lineup import BANDS, Band
from soundloom.band.mix import perform
from soundloom.band.score import BeatGrid, Hit, Note
from soundloom.band.synthesis import (
    active_rms,
    compressed,
    damped_modes,
    decay,
    echoed,
    highpass,
    lowpass,
    peaking,
    released,
    reverberated,
    saturated,
)
from soundloom.band.theory import (
    SCALES,
    Chord,
    lowest_at_least,
    midi_to_hz,
    pentatonic,
    power_chord,
    scale_step_below,
    triad,
)
from soundloom.common.pitch import MODES, PITCH_NAMES, Key

RATE_HZ = 22_050
CLIP_SECONDS = 30.0
TRACKS = (0, 2, 3, 7)  # songs by four bands
TRACK_SECONDS = 20.0
seeds = st.integers(0, 2**32 - 1)
track_indices = st.integers(0, 999)
rates_hz = st.sampled_from([8000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def sine(frequency_hz: float, seconds: float = 1.0, rate_hz: int = RATE_HZ) -> np.ndarray:
    return np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * rate_hz)) / rate_hz)


def centroid_hz(x: np.ndarray, rate_hz: int = RATE_HZ) -> float:
    power = np.abs(np.fft.rfft(x)) ** 2
    return float(np.sum(power * np.fft.rfftfreq(len(x), 1 / rate_hz)) / power.sum())


def level_db(x: np.ndarray, frequency_hz: float, rate_hz: int = RATE_HZ) -> float:
    """Level of the sine at ``frequency_hz``, Hann-windowed, re full scale."""
    window = np.hanning(len(x))
    tone = np.exp(-2j * np.pi * frequency_hz * np.arange(len(x)) / rate_hz)
    return float(20 * np.log10(2 * abs(np.sum(x * window * tone)) / window.sum() + 1e-12))


def peak_hz(x: np.ndarray, near_hz: float, rate_hz: int) -> float:
    """Frequency of the largest spectral peak within a semitone of ``near_hz``."""
    n_fft = 16 * len(x)
    spectrum = np.abs(np.fft.rfft(x * np.hanning(len(x)), n_fft))
    frequencies_hz = np.fft.rfftfreq(n_fft, 1 / rate_hz)
    spectrum[np.abs(np.log2(np.maximum(frequencies_hz, 1e-3) / near_hz)) > 1 / 12] = 0.0
    return float(frequencies_hz[np.argmax(spectrum)])


# --- theory ---------------------------------------------------------------------------------


def test_chords_of_known_keys() -> None:
    e_minor, a_mixolydian, c_major = Key(4, "minor"), Key(9, "mixolydian"), Key(0, "major")
    assert [triad(e_minor, degree).name for degree in (0, 3, 5, 8, 10)] == [
        "Em", "G", "Am", "C", "D",
    ]  # fmt: skip
    assert triad(a_mixolydian, 10).name == "G"
    assert triad(c_major, 11).name == "B5"  # a diminished triad is no rock chord
    assert power_chord(e_minor, 8) == Chord(0, "5")
    assert (e_minor.name, a_mixolydian.name) == ("E minor", "A mixolydian")
    assert set(SCALES) == set(MODES)


def test_pitches() -> None:
    assert midi_to_hz(69) == 440.0
    assert midi_to_hz(40) == pytest.approx(82.407, abs=1e-3)  # a guitar's low E
    assert lowest_at_least(4, 40) == 40
    assert lowest_at_least(3, 40) == 51
    assert pentatonic(Key(4, "minor"), 5) == 12
    assert pentatonic(Key(4, "minor"), -1) == -2
    assert scale_step_below(Key(0, "major"), 48) == 47
    assert scale_step_below(Key(0, "mixolydian"), 48) == 46


# --- songs ----------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(seeds, track_indices, st.floats(1.0, 90.0))
def test_every_note_is_playable_and_in_key(seed: int, index: int, clip_seconds: float) -> None:
    song = compose(seed, index, clip_seconds)
    in_key = {(song.key.tonic + step) % 12 for step in SCALES[song.key.mode]}
    low_tempo, high_tempo = song.band.tempi_bpm
    assert low_tempo <= song.grid.tempo_bpm <= high_tempo
    for part in (song.left, song.right, song.bass, song.lead, song.colour):
        for note in part:
            assert 0.0 <= note.start_seconds < clip_seconds
            assert note.duration_seconds > 0.03
            assert 0.0 < note.velocity < 1.3
            assert 20 <= note.midi <= 100
            assert note.touch == "scratch" or note.midi % 12 in in_key
    assert {hit.drum for hit in song.drums} <= drum_kit(song.band.kit).keys()


@settings(max_examples=30, deadline=None)
@given(seeds, track_indices, st.floats(1.0, 90.0))
def test_truth_covers_the_clip(seed: int, index: int, clip_seconds: float) -> None:
    song = compose(seed, index, clip_seconds)
    truth = song.truth()
    assert json.loads(json.dumps(truth)) == truth
    beats = truth["beat_seconds"]
    assert np.allclose(np.diff(beats), 60.0 / truth["tempo_bpm"], atol=2e-4)
    assert beats[0] <= 0.3
    assert 0.0 <= clip_seconds - beats[-1] <= 60.0 / truth["tempo_bpm"] + 1e-3
    for spans, label in ((truth["chords"], "chord"), (truth["sections"], "section")):
        assert spans[0]["start_seconds"] == beats[0]
        assert spans[-1]["end_seconds"] == pytest.approx(clip_seconds, abs=1e-3)
        for before, after in itertools.pairwise(spans):
            assert before["end_seconds"] == after["start_seconds"] > before["start_seconds"]
            assert label != "chord" or before[label] != after[label]


@settings(max_examples=20, deadline=None)
@given(seeds, track_indices)
def test_a_longer_clip_holds_the_same_song(seed: int, index: int) -> None:
    short, long = compose(seed, index, 10.0).truth(), compose(seed, index, 40.0).truth()
    assert long["beat_seconds"][: len(short["beat_seconds"])] == short["beat_seconds"]
    assert [chord["chord"] for chord in long["chords"][: len(short["chords"])]] == [
        chord["chord"] for chord in short["chords"]
    ]


def test_the_corpus_is_varied() -> None:
    songs = [compose(0, index, CLIP_SECONDS) for index in range(24)]
    assert {song.key.tonic for song in songs[:12]} == set(range(12))
    assert {song.key.tonic for song in songs[12:]} == set(range(12))
    assert {song.key.mode for song in songs} == set(SCALES)
    assert {song.band for song in songs} == set(BANDS)
    assert len({song.grid.tempo_bpm for song in songs}) >= 15
    assert min(song.grid.tempo_bpm for song in songs) < 95
    assert max(song.grid.tempo_bpm for song in songs) > 160
    assert {True, False} == {song.grid.swing for song in songs}
    assert len({song.drums for song in songs}) == 24


@pytest.mark.parametrize("index", range(12))
def test_thirty_seconds_hold_a_whole_song(index: int) -> None:
    song = compose(0, index, CLIP_SECONDS)
    names = [section.name for section in song.sections]
    assert names[0] == "intro"
    assert {"verse", "chorus"} <= set(names)
    assert tuple(names[:3]) in {form[:3] for form in FORMS}


def test_seed_and_number_make_the_song() -> None:
    assert compose(3, 5, 20.0) == compose(3, 5, 20.0)
    assert compose(3, 5, 20.0).drums != compose(4, 5, 20.0).drums
    assert compose(3, 5, 20.0).drums != compose(3, 11, 20.0).drums


def test_bass_locks_to_the_chords() -> None:
    """On the first beat of every bar of a verse the bass plays the root of the chord."""
    song = compose(0, 2, CLIP_SECONDS)
    for section in song.sections:
        for bar, chord in zip(section.bars, section.harmony, strict=True):
            downbeat = song.grid.seconds(bar)
            on_it = [n for n in song.bass if abs(n.start_seconds - downbeat) < 0.02]
            assert all(note.midi % 12 == chord.root for note in on_it)
            assert on_it or downbeat > CLIP_SECONDS


def test_the_beat_grid() -> None:
    straight, swung = BeatGrid(120.0, 0.1, swing=False), BeatGrid(120.0, 0.1, swing=True)
    assert straight.seconds(0) == swung.seconds(0) == 0.1
    assert straight.seconds(2, 6) == pytest.approx(0.1 + 4.0 + 0.75)
    assert swung.seconds(2, 4) == pytest.approx(0.1 + 4.0 + 0.5)
    assert swung.seconds(0, 2) == pytest.approx(0.1 + 0.5 * 2 / 3)
    assert swung.seconds(0, 16) == pytest.approx(swung.seconds(1, 0))


def test_grooves_are_one_bar_long() -> None:
    rhythms = [r for band in BANDS for r in band.chord_rhythms + band.chug_rhythms]
    rhythms += [line for groove in GROOVES.values() for line in (groove.kick, groove.snare)]
    assert {len(rhythm) for rhythm in rhythms} == {16}
    assert {name for band in BANDS for name in band.grooves} == GROOVES.keys()


# --- sound ----------------------------------------------------------------------------------


@settings(max_examples=12, deadline=None)
@given(n_samples=st.integers(1, 3000), rate_hz=rates_hz, seed=st.integers(0, 99))
def test_damped_modes_are_the_sum_they_stand_for(n_samples: int, rate_hz: int, seed: int) -> None:
    rng = generator(seed)
    frequencies_hz, decays = rng.uniform(20, 3700, 5), rng.uniform(0, 30, 5)
    amplitudes, phases = rng.uniform(0, 1, 5), rng.uniform(0, 6, 5)
    seconds = np.arange(n_samples)[:, None] / rate_hz
    expected = np.sum(
        amplitudes
        * np.exp(-decays * seconds)
        * np.sin(2 * np.pi * frequencies_hz * seconds + phases),
        axis=1,
    )
    got = damped_modes(frequencies_hz, amplitudes, decays, phases, n_samples, rate_hz)
    assert got.shape == (n_samples,)
    assert np.allclose(got, expected, atol=1e-9)


def test_modes_above_nyquist_stay_silent() -> None:
    one = np.ones(1)
    assert not damped_modes(5000.0 * one, one, one, one, 100, 8000).any()


@settings(max_examples=12, deadline=None)
@given(midi=st.integers(28, 84), rate_hz=rates_hz, seed=st.integers(0, 99))
def test_a_plucked_string_is_in_tune(midi: int, rate_hz: int, seed: int) -> None:
    frequency_hz = midi_to_hz(midi)
    note = pluck(ELECTRIC, frequency_hz, rate_hz, rate_hz, generator(seed))
    found_hz = peak_hz(note, frequency_hz, rate_hz)
    assert abs(1200 * np.log2(found_hz / frequency_hz)) < 3.0
    assert level_db(note, found_hz, rate_hz) > level_db(note, 1.5 * found_hz, rate_hz) + 20
    assert np.abs(note).max() < 3.0


def test_the_palm_mutes_and_dulls() -> None:
    rings = {
        name: pluck(string, 110.0, RATE_HZ, RATE_HZ, generator())
        for name, string in (("open", ELECTRIC), ("muted", ELECTRIC.palm_muted()))
    }
    early, late = slice(0, RATE_HZ // 10), slice(RATE_HZ // 2, RATE_HZ)
    kept = {name: np.std(ring[late]) / np.std(ring[early]) for name, ring in rings.items()}
    assert kept["muted"] < 0.1 < kept["open"]
    middle = slice(RATE_HZ // 20, RATE_HZ // 5)
    assert centroid_hz(rings["muted"][middle]) < 0.7 * centroid_hz(rings["open"][middle])


def test_a_bent_note_arrives_at_its_pitch() -> None:
    whole_string = StringModel(0.5, 0.5, 20.0, 0.0, 0.0, pick_noise=0.0, max_hz=450.0)
    note = Note(0.0, 0.3, midi=69, velocity=1.0, bend_semitones=2.0)
    bent = instruments.play_lead([note], whole_string, RATE_HZ, RATE_HZ, generator())

    def found_hz(start_seconds: float, end_seconds: float) -> float:
        piece = bent[round(start_seconds * RATE_HZ) : round(end_seconds * RATE_HZ)]
        crossings = np.flatnonzero(np.diff(np.signbit(piece)))
        return 0.5 * RATE_HZ * (len(crossings) - 1) / (crossings[-1] - crossings[0])

    assert found_hz(0.0, 0.02) == pytest.approx(midi_to_hz(67.3), rel=0.02)
    assert found_hz(0.17, 0.26) == pytest.approx(440.0, rel=0.01)


def test_strings_play_notes_where_they_are_written() -> None:
    notes = [Note(0.25, 0.2, 45, 1.0), Note(0.6, 0.1, 57, 0.5), Note(0.8, 0.1, 57, 0.7, "scratch")]
    part = instruments.play_strings(notes, ELECTRIC, RATE_HZ, RATE_HZ, generator())
    sounding = {second: np.abs(part[round(second * RATE_HZ) :][:500]).max() > 0.02
                for second in (0.1, 0.26, 0.44, 0.5, 0.61, 0.75, 0.81, 0.95)}  # fmt: skip
    assert sounding == {0.1: False, 0.26: True, 0.44: True, 0.5: False, 0.61: True,
                        0.75: False, 0.81: True, 0.95: False}  # fmt: skip


def test_note_ends_do_not_click() -> None:
    damped = released(sine(220.0), 10_000, 600)
    assert len(damped) == 10_600
    assert np.array_equal(damped[:10_000], sine(220.0)[:10_000])
    assert np.abs(damped[-20:]).max() < 0.01
    assert len(released(np.ones(50), 40, 600)) == 50  # a ring shorter than asked for


@pytest.mark.parametrize("band", BANDS, ids=lambda band: band.name)
def test_drums_sound_like_themselves(band: Band) -> None:
    hits = {name: voice(RATE_HZ, generator()) for name, voice in drum_kit(band.kit).items()}
    centroids_hz = {name: centroid_hz(hit) for name, hit in hits.items()}
    assert centroids_hz["kick"] < 250
    assert centroids_hz["floor tom"] < centroids_hz["middle tom"] < centroids_hz["high tom"] < 600
    assert 200 < centroids_hz["snare"] < 4000
    assert min(centroids_hz[name] for name in ("hat", "open hat", "ride", "crash")) > 2500
    energy = {name: np.cumsum(hit**2) for name, hit in hits.items()}
    seconds = {name: np.searchsorted(e, 0.9 * e[-1]) / RATE_HZ for name, e in energy.items()}
    assert seconds["hat"] < seconds["open hat"] < seconds["crash"]
    for hit in hits.values():
        assert 0.05 < np.abs(hit).max() < 4.0
        assert np.abs(hit[-20:]).max() < 0.02  # it dies away before it ends


def test_the_next_hit_chokes_an_open_hat() -> None:
    kit = BANDS[0].kit
    alone = instruments.play_drums([Hit(0.0, 1.0, "open hat")], kit, RATE_HZ, RATE_HZ, generator())
    hits = [Hit(0.0, 1.0, "open hat"), Hit(0.2, 0.0, "hat")]
    choked = instruments.play_drums(hits, kit, RATE_HZ, RATE_HZ, generator())
    after = round(0.25 * RATE_HZ)
    assert np.std(alone[after : 2 * after]) > 1e-3
    assert not choked[after:].any()


def test_an_organ_holds_its_chord_without_clicks() -> None:
    notes = [Note(0.1, 0.7, midi, 1.0) for midi in (57, 60, 64)]
    part = instruments.play_organ(notes, RATE_HZ, RATE_HZ, generator())
    held = part[round(0.2 * RATE_HZ) : round(0.7 * RATE_HZ)]
    for midi in (57, 60, 64):
        assert level_db(held, midi_to_hz(midi)) > level_db(held, midi_to_hz(midi + 1)) + 12
    assert np.abs(np.diff(part)).max() < 1.05 * np.abs(np.diff(held)).max()


def test_distortion_does_not_fold_back() -> None:
    """The third harmonic of 5 kHz lies at 15 kHz: above Nyquist here, so it must vanish."""
    shaped = saturated(0.8 * sine(5000.0), 10.0, 0.0, RATE_HZ)
    naive = np.tanh(8.0 * sine(5000.0))
    folded_hz = RATE_HZ - 15_000.0
    assert level_db(naive, folded_hz) > -20
    assert level_db(shaped, folded_hz) < -55
    assert len(shaped) == RATE_HZ


def test_an_amplifier_adds_harmonics_and_its_cabinet_ends_them() -> None:
    metal = BANDS[1].amp
    loud = instruments.amplify(0.5 * sine(220.0), metal, RATE_HZ)
    assert level_db(loud, 660.0) > level_db(loud, 220.0) - 20
    assert level_db(loud, 440.0) > level_db(loud, 220.0) - 40  # even ones too: it is lopsided
    assert level_db(loud, 220.0 * 45) < level_db(loud, 220.0) - 50


@settings(max_examples=20, deadline=None)
@given(rate_hz=rates_hz)
def test_filters_pass_and_stop(rate_hz: int) -> None:
    low, high = sine(100.0, rate_hz=rate_hz), sine(3000.0, rate_hz=rate_hz)
    assert np.std(lowpass(low, 1000.0, rate_hz)) > 0.9 * np.std(low)
    assert np.std(lowpass(high, 1000.0, rate_hz)) < 0.2 * np.std(high)
    assert np.std(highpass(high, 1000.0, rate_hz)) > 0.9 * np.std(high)
    assert np.std(highpass(low, 1000.0, rate_hz)) < 0.2 * np.std(low)
    boosted = peaking(high, 3000.0, 6.0, 1.0, rate_hz)[rate_hz // 2 :]
    assert np.std(boosted) == pytest.approx(np.std(high) * 10 ** (6 / 20), rel=0.01)


def test_filters_beyond_nyquist_leave_the_signal() -> None:
    x = generator().standard_normal(1000)
    assert np.array_equal(lowpass(x, 5000.0, 8000), x)
    assert np.array_equal(peaking(x, 5000.0, 6.0, 1.0, 8000), x)
    assert np.std(highpass(x, 7000.0, 8000)) > 0.1


def test_compression_turns_down_only_what_is_loud() -> None:
    quiet, loud = 0.01 * sine(200.0), 0.8 * sine(200.0)
    assert np.allclose(compressed(quiet, -14.0, 2.0, RATE_HZ), quiet)
    over_db = 20 * np.log10(0.8 / np.sqrt(2)) + 14.0
    got_db = 20 * np.log10(np.std(compressed(loud, -14.0, 2.0, RATE_HZ)[RATE_HZ // 2 :]))
    assert got_db == pytest.approx(-14.0 + over_db / 2.0, abs=0.3)


def test_rooms_and_echoes_come_after_the_sound() -> None:
    click = np.zeros(RATE_HZ)
    click[1000] = 1.0
    room = reverberated(click, 0.5, RATE_HZ, generator())
    assert np.abs(room[:1170]).max() < 1e-9
    early, late = room[1200:3000], room[8000:10_000]
    assert np.std(early) > 10 * np.std(late) > 0
    echo = echoed(click, 0.1, 0.5, RATE_HZ)
    assert echo[1000] == 1.0
    assert np.abs(echo[3205:3220]).max() > np.abs(echo[5410:5425]).max() > 0


def test_level_is_measured_where_there_is_sound() -> None:
    half = np.concatenate([sine(200.0), np.zeros(RATE_HZ)])
    assert active_rms(half, RATE_HZ) == pytest.approx(np.sqrt(0.5), rel=0.03)
    assert active_rms(np.zeros(1000), RATE_HZ) == 0.0


def test_decay_times_are_times_to_minus_sixty_db() -> None:
    assert decay(0.5, RATE_HZ, RATE_HZ)[RATE_HZ // 2] == pytest.approx(1e-3, rel=1e-6)


# --- whole tracks ---------------------------------------------------------------------------


@settings(max_examples=5, deadline=None)
@given(
    seed=seeds,
    index=track_indices,
    clip_seconds=st.floats(1.0, 4.0),
    rate_hz=st.integers(8000, 96_000),
)
def test_any_length_and_rate(seed: int, index: int, clip_seconds: float, rate_hz: int) -> None:
    samples = perform(seed, index, clip_seconds, rate_hz)
    assert samples.shape == (round(clip_seconds * rate_hz),)
    assert samples.dtype == np.float32
    assert np.abs(samples).max() == pytest.approx(10 ** (-1 / 20), abs=1e-4)


def test_same_bytes_whatever_the_threads() -> None:
    with threadpool_limits(limits=1):
        alone = perform(0, 2, 6.0, RATE_HZ)
    with threadpool_limits(limits=4):
        crowded = perform(0, 2, 6.0, RATE_HZ)
    assert alone.tobytes() == crowded.tobytes()
    assert not np.array_equal(alone, perform(0, 8, 6.0, RATE_HZ))
    assert not np.array_equal(alone, perform(1, 2, 6.0, RATE_HZ))


def test_another_rate_is_the_same_music() -> None:
    """Bar for bar, low and high bands are as loud at 16 kHz as at 48 kHz."""
    bands_db = []
    for rate_hz in (16_000, 48_000):
        samples = perform(0, 0, 8.0, rate_hz).astype(np.float64)
        parts = (lowpass(samples, 200.0, rate_hz), highpass(samples, 2000.0, rate_hz))
        parts = (parts[0], lowpass(parts[1], 5000.0, rate_hz, order=6))
        powers = [np.mean(p.reshape(-1, rate_hz // 8) ** 2, axis=1) for p in parts]
        bands_db.append(10 * np.log10(np.concatenate(powers) + 1e-6))
    assert np.corrcoef(bands_db)[0, 1] > 0.9
    assert np.mean(np.abs(bands_db[0] - bands_db[1])) < 3.0


@pytest.fixture(scope="module")
def tracks() -> dict[int, np.ndarray]:
    return {index: perform(0, index, TRACK_SECONDS, RATE_HZ) for index in TRACKS}


@pytest.mark.parametrize("index", TRACKS)
def test_levels_are_those_of_a_record(tracks: dict[int, np.ndarray], index: int) -> None:
    samples = tracks[index].astype(np.float64)
    rms_dbfs = 10 * np.log10(np.mean(samples**2))
    assert -18.0 < rms_dbfs < -13.5
    assert np.abs(samples).max() == pytest.approx(10 ** (-1 / 20), abs=1e-4)
    assert np.mean(np.abs(samples) > 0.85) < 1e-4  # peaks, not plateaus
    assert abs(samples.mean()) < 1e-3
    power = np.abs(np.fft.rfft(samples)) ** 2
    frequencies_hz = np.fft.rfftfreq(len(samples), 1 / RATE_HZ)
    per_octave_db = {
        centre_hz: 10
        * np.log10(
            power[np.abs(np.log2((frequencies_hz + 1e-9) / centre_hz)) < 0.5].sum() / power.sum()
        )
        for centre_hz in (80, 320, 1280, 5120, 8000)
    }
    assert all(level > -35 for level in per_octave_db.values())
    assert per_octave_db[80] > per_octave_db[1280] > per_octave_db[8000]


@pytest.mark.parametrize("index", TRACKS)
def test_tempo_and_beats_are_true(tracks: dict[int, np.ndarray], index: int) -> None:
    truth = compose(0, index, TRACK_SECONDS).truth()
    onsets = librosa.onset.onset_strength(y=tracks[index], sr=RATE_HZ)
    tempo_bpm = float(librosa.feature.tempo(onset_envelope=onsets, sr=RATE_HZ)[0])
    octaves = np.log2(tempo_bpm / truth["tempo_bpm"])
    assert abs(octaves - round(octaves)) < 0.06
    assert abs(octaves) < 1.1
    seconds = librosa.times_like(onsets, sr=RATE_HZ)
    beats = np.array(truth["beat_seconds"][1:-1])

    def strength(shift_beats: float) -> float:
        shifted = beats + shift_beats * 60.0 / truth["tempo_bpm"]
        return np.mean([onsets[np.abs(seconds - beat) < 0.035].max() for beat in shifted])

    assert strength(0.0) > 2.0 * onsets.mean()
    assert strength(0.0) > 1.3 * max(strength(0.25), strength(-0.25), strength(0.4))


def test_chord_roots_and_keys_sound(tracks: dict[int, np.ndarray]) -> None:
    n_right = n_chords = n_tonics = 0
    for index, samples in tracks.items():
        song = compose(0, index, TRACK_SECONDS)
        chroma = librosa.feature.chroma_cqt(y=samples, sr=RATE_HZ)
        frames_per_second = RATE_HZ / 512
        for span in song.truth()["chords"]:
            root = PITCH_NAMES.index(span["chord"].rstrip("m5"))
            frames = slice(
                round(span["start_seconds"] * frames_per_second),
                round(span["end_seconds"] * frames_per_second),
            )
            if frames.stop - frames.start > 20:
                n_chords += 1
                n_right += int(np.argmax(chroma[:, frames].mean(axis=1)) == root)
        n_tonics += int(song.key.tonic in np.argsort(chroma.mean(axis=1))[-2:])
    assert n_chords > 25
    assert n_right / n_chords > 0.7  # one in twelve by chance
    assert n_tonics >= len(tracks) - 1
