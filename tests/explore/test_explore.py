"""The look at the audio: known signals give known numbers, and the stage writes what it says."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from params import write_params
from soundloom.audio.files import write_audio
from soundloom.common.errors import SoundloomError
from soundloom.corpus.files import write_manifest
from soundloom.corpus.manifest import Clip, Manifest
from soundloom.explore.config import ExploreConfig
from soundloom.explore.look import Look, look_at, power_density_db, zero_crossings
from soundloom.stages import explore as stage

RATE_HZ = 22050
PICTURES = ("waveform", "zoom", "spectrogram", "rolloff", "chroma", "resampled")
CONFIG = ExploreConfig(
    n_clips=2,
    zoom_start_sample=9000,
    zoom_end_sample=9100,
    rolloff_fraction=0.85,
    resample_rate_hz=8000,
)


def sine(frequency_hz: float, seconds: float = 3.0, level: float = 0.5) -> np.ndarray:
    times_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (level * np.sin(2 * np.pi * frequency_hz * times_s)).astype(np.float32)


@pytest.fixture(scope="module")
def look() -> Look:
    return look_at(sine(440.0), RATE_HZ, CONFIG)


def test_a_sine_changes_sign_twice_a_period() -> None:
    # 100 Hz: samples 9000 to 9100 span periods 40.82 to 41.27, with one change of sign, at 41.
    tone = sine(100.0)
    assert zero_crossings(tone[9000:9100]).tolist() == [41 * RATE_HZ // 100 + 1 - 9000]
    # Ten whole periods, from a positive sample: a change every half period, none at the start.
    assert len(zero_crossings(tone[55 : 55 + 2205])) == 20


def test_crossings_of_a_440_hz_tone(look: Look) -> None:
    assert look.numbers["zero_crossings_per_second"] == pytest.approx(880, abs=1)
    assert look.numbers["zero_crossings_in_zoom"] == len(look.crossings) == 4


def test_levels_of_a_sine(look: Look) -> None:
    assert look.numbers["peak_dbfs"] == pytest.approx(20 * np.log10(0.5), abs=0.01)
    assert look.numbers["rms_dbfs"] == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.01)


def test_centroid_and_rolloff_of_a_tone_lie_at_the_tone(look: Look) -> None:
    bin_hz = RATE_HZ / 2048
    assert look.numbers["rolloff_hz"] == pytest.approx(440, abs=2 * bin_hz)
    assert look.numbers["centroid_hz"] == pytest.approx(440, abs=40)
    assert look.rolloff_hz.shape == (len(look.frames_db),)


def test_rolloff_of_white_noise_lies_at_its_share_of_the_band() -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, 3 * RATE_HZ).astype(np.float32)
    numbers = look_at(noise, RATE_HZ, CONFIG).numbers
    assert numbers["rolloff_hz"] == pytest.approx(0.85 * RATE_HZ / 2, rel=0.02)


@pytest.mark.parametrize(("frequency_hz", "pitch_class"), [(440.0, 9), (261.63, 0), (369.99, 6)])
def test_chroma_peaks_at_the_note_played(frequency_hz: float, pitch_class: int) -> None:
    look = look_at(sine(frequency_hz), RATE_HZ, CONFIG)
    assert look.numbers["strongest_pitch_class"] == pitch_class
    assert (look.chroma.argmax(axis=1) == pitch_class).all()
    assert look.chroma.shape == (len(look.frames_db), 12)
    assert look.chroma.max() <= 1.0


def test_a_click_track_has_its_tempo() -> None:
    clicks = np.zeros(12 * RATE_HZ, np.float32)
    burst = np.random.default_rng(0).uniform(-1, 1, 400).astype(np.float32)
    for beat in range(24):  # two a second
        clicks[beat * RATE_HZ // 2 :][:400] = burst
    numbers = look_at(clicks, RATE_HZ, CONFIG).numbers
    assert numbers["tempo_bpm"] == pytest.approx(120, rel=0.03)


def test_the_spectrogram_is_loudest_at_the_tone(look: Look) -> None:
    loudest = look.frames_db.mean(axis=0).argmax()
    assert look.frequencies_hz[loudest] == pytest.approx(440, abs=RATE_HZ / 2048)
    assert look.frames_db.max() == 0.0


def test_resampling_keeps_duration_and_power_density() -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 4 * RATE_HZ).astype(np.float32)
    look = look_at(noise, RATE_HZ, CONFIG)
    assert look.numbers["resampled_n_samples"] == len(look.resampled) == 32_000
    before, after = look.spectra_db
    # Uniform noise of variance 1/12 spreads evenly up to half the rate.
    density_db = 10 * np.log10(1 / 12 / (RATE_HZ / 2))
    assert before[10:-10].mean() == pytest.approx(density_db, abs=0.5)
    assert after[10:800].mean() == pytest.approx(density_db, abs=0.5)
    (zoomed, _), (zoomed_after, rate_hz) = look.before_and_after
    assert (len(zoomed), len(zoomed_after), rate_hz) == (100, 36, 8000)


@pytest.mark.filterwarnings("ignore:Trying to estimate tuning")
def test_silence_has_finite_numbers() -> None:
    look = look_at(np.zeros(RATE_HZ, np.float32), RATE_HZ, CONFIG)
    assert look.numbers["peak_dbfs"] == -200.0
    assert all(np.isfinite(value) for value in look.numbers.values())
    assert np.isfinite(power_density_db(np.zeros(10, np.float32), 8000)).all()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder whose corpus is two tones, as the download stage leaves it."""
    write_params(tmp_path, {"explore.n_clips": 2})
    clips = []
    for number, frequency_hz in enumerate((220.0, 440.0)):
        file = f"rock/rock.{number:05d}.wav"
        write_audio(tmp_path / "data/raw" / file, sine(frequency_hz), RATE_HZ)
        clips.append(Clip(file, f"tone {number}", 0, 3 * RATE_HZ, None, None, ""))
    manifest = Manifest("folder", "rock", RATE_HZ, tuple(clips))
    write_manifest(tmp_path / "data/raw/manifest.json", manifest)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def outputs(project: Path) -> dict[str, bytes]:
    files = [*project.glob("reports/**/*.png"), project / "metrics/explore.json"]
    return {str(file.relative_to(project)): file.read_bytes() for file in files}


@pytest.mark.slow
def test_the_stage_writes_pictures_and_numbers_the_same_each_time(project: Path) -> None:
    stage.main()
    first = outputs(project)
    assert sorted(first) == sorted(
        [f"reports/explore/clip_{n:02d}_{what}.png" for n in range(2) for what in PICTURES]
        + ["metrics/explore.json"]
    )
    numbers = json.loads(first["metrics/explore.json"])
    assert [numbers[clip]["zero_crossings_in_zoom"] for clip in sorted(numbers)] == [2, 4]
    for picture in project.glob("reports/explore/*.png"):
        assert matplotlib.image.imread(picture).std() > 0.05, f"{picture.name} looks empty"
    stage.main()
    assert outputs(project) == first


def test_a_clip_that_vanished_is_named(project: Path) -> None:
    (project / "data/raw/rock/rock.00001.wav").unlink()
    with pytest.raises(SoundloomError, match=r"rock\.00001\.wav"):
        stage.main()
    assert not (project / "reports/explore").exists()
