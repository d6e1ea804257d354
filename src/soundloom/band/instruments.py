"""Notes → samples. Each player takes its part and returns a dry, unlevelled ``(n_samples,)``.

Strings follow the plucked string as Karplus & Strong (1983) and Jaffe & Smith (1983), both in
Computer Music Journal 7(2), model it: harmonics shaped by where the string is plucked and where
its pick-up is, each dying at its own rate, the high ones first, and a little different at every
pluck. Their delay loop is here written as the modes it rings with, which are in tune and free of
aliasing at any sample rate.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from soundloom.band.lineup import Amp, Kit
from soundloom.band.score import Hit, Note
from soundloom.band.synthesis import (
    E_FOLDS_60_DB,
    damped_modes,
    decay,
    echoed,
    highpass,
    lowpass,
    mix_in,
    peaking,
    released,
    saturated,
    seconds_axis,
    sweep,
)
from soundloom.band.theory import midi_to_hz

N_TAKES = 3  # recordings of each note or hit, used in turn: no two in a row are the same
RELEASE_SECONDS = 0.03
BENT_OVERSAMPLING = 4  # so that a bent string can be read between its samples by straight lines


@dataclass(frozen=True)
class StringModel:
    """A string, its player's hand and its pick-up; positions as fractions of its length."""

    pluck_position: float
    pickup_position: float
    t60_seconds: float  # of the fundamental
    loss_per_second: float  # further decay at 1 kHz, growing with frequency squared
    inharmonicity: float  # partial k lies at k f0 sqrt(1 + inharmonicity k^2)
    pick_noise: float
    max_hz: float = 8000.0

    def palm_muted(self) -> StringModel:
        """The same string under the edge of the hand: short and dull."""
        return replace(self, t60_seconds=0.35, loss_per_second=14.0, pick_noise=self.pick_noise / 2)


ELECTRIC = StringModel(0.13, 0.07, t60_seconds=7.0, loss_per_second=0.5, inharmonicity=6e-5,
                       pick_noise=0.10)  # fmt: skip
SINGING = replace(ELECTRIC, t60_seconds=12.0, loss_per_second=0.2, pickup_position=0.2)
BASS = StringModel(0.18, 0.12, t60_seconds=5.0, loss_per_second=3.0, inharmonicity=1e-4,
                   pick_noise=0.05, max_hz=3500.0)  # fmt: skip


def pluck(
    string: StringModel,
    frequency_hz: float,
    n_samples: int,
    sample_rate_hz: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """One string plucked at full force and left to ring; peak about 1."""
    highest_hz = min(string.max_hz, 0.47 * sample_rate_hz)
    partials = np.arange(1, max(2, int(highest_hz / frequency_hz) + 1))
    stretched = partials * np.sqrt(1.0 + string.inharmonicity * partials**2)
    frequencies_hz = frequency_hz * stretched / stretched[0]
    comb = np.sin(np.pi * partials * string.pluck_position) * np.sin(
        np.pi * partials * string.pickup_position
    )
    # Karplus & Strong fill the string with noise: each pluck weighs the partials anew.
    amplitudes = comb / partials**0.6 * rng.uniform(0.6, 1.4, len(partials))
    decays = (
        E_FOLDS_60_DB / string.t60_seconds + string.loss_per_second * (frequencies_hz / 1000.0) ** 2
    )
    phases = rng.uniform(-0.6, 0.6, len(partials))
    tone = damped_modes(frequencies_hz, amplitudes, decays, phases, n_samples, sample_rate_hz)
    tone /= np.sqrt(np.sum(amplitudes**2)) * 2.0
    n_attack = min(n_samples, max(1, round(0.0015 * sample_rate_hz)))
    tone[:n_attack] *= np.linspace(0.0, 1.0, n_attack)
    return tone + string.pick_noise * _scrape(0.04, n_samples, sample_rate_hz, rng)


def _scrape(
    t60_seconds: float, n_samples: int, sample_rate_hz: int, rng: np.random.Generator
) -> np.ndarray:
    """Pick on string: a short burst of noise above 800 Hz."""
    n_noise = min(n_samples, round(t60_seconds * sample_rate_hz))
    burst = rng.standard_normal(n_noise) * decay(t60_seconds, n_noise, sample_rate_hz)
    noise = np.zeros(n_samples)
    noise[:n_noise] = highpass(burst, 800.0, sample_rate_hz)
    return noise


def play_strings(
    notes: Iterable[Note],
    string: StringModel,
    n_samples: int,
    sample_rate_hz: int,
    rng: np.random.Generator,
    detune_cents: float = 0.0,
) -> np.ndarray:
    """All notes of a part on strings of one kind, each damped where it ends.

    Every pitch and touch is plucked :data:`N_TAKES` times, as long as its longest note, and the
    notes share those takes: a sampler filled on the spot.
    """
    track = np.zeros(n_samples)
    n_release = round(RELEASE_SECONDS * sample_rate_hz)
    ordered = sorted(notes, key=lambda note: (note.touch, note.midi, note.start_seconds))
    for (touch, midi), group in itertools.groupby(ordered, key=lambda n: (n.touch, n.midi)):
        same = list(group)
        longest = max(note.duration_seconds for note in same)
        n_ring = round(longest * sample_rate_hz) + n_release
        frequency_hz = midi_to_hz(midi + detune_cents / 100.0)
        takes = []
        for _ in range(min(N_TAKES, len(same))):
            if touch == "scratch":
                takes.append(_scrape(0.12, n_ring, sample_rate_hz, rng))
            else:
                struck = string.palm_muted() if touch == "muted" else string
                takes.append(pluck(struck, frequency_hz, n_ring, sample_rate_hz, rng))
        for index, note in enumerate(same):
            n_held = round(note.duration_seconds * sample_rate_hz)
            sound = released(takes[index % len(takes)], n_held, n_release)
            mix_in(track, note.velocity * sound, round(note.start_seconds * sample_rate_hz))
    return track


def play_lead(
    notes: Iterable[Note],
    string: StringModel,
    n_samples: int,
    sample_rate_hz: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """A melody with bends and vibrato: each string is resampled at uneven times."""
    track = np.zeros(n_samples)
    n_release = round(RELEASE_SECONDS * sample_rate_hz)
    for note in notes:
        n_held = round(note.duration_seconds * sample_rate_hz)
        seconds = seconds_axis(n_held + n_release, sample_rate_hz)
        # Time within the string's sound is the integral of the pitch's ratio to the written one.
        at_seconds = np.cumsum(2.0 ** (_pitch_curve(note, seconds) / 12.0)) / sample_rate_hz
        fine_hz = BENT_OVERSAMPLING * sample_rate_hz
        n_fine = int(at_seconds[-1] * fine_hz) + 2
        bandlimited = replace(string, max_hz=min(string.max_hz, 0.4 * sample_rate_hz))
        ring = pluck(bandlimited, midi_to_hz(note.midi), n_fine, fine_hz, rng)
        bent = np.interp(at_seconds, seconds_axis(n_fine, fine_hz), ring)
        sound = note.velocity * released(bent, n_held, n_release)
        mix_in(track, sound, round(note.start_seconds * sample_rate_hz))
    return track


def _pitch_curve(note: Note, seconds: np.ndarray) -> np.ndarray:
    """Semitones from the written pitch: the bend arrives after 0.15 s, then vibrato sets in."""
    bend = -note.bend_semitones * np.clip(1.0 - seconds / 0.15, 0.0, 1.0) ** 2
    depth = 0.25 * np.clip((seconds - 0.25) / 0.3, 0.0, 1.0)
    return bend + depth * np.sin(2 * np.pi * 5.5 * seconds)


def amplify(dry: np.ndarray, amp: Amp, sample_rate_hz: int) -> np.ndarray:
    """Guitar → high-pass → valve → tone controls → loudspeaker cabinet."""
    tight = highpass(dry, amp.tightness_hz, sample_rate_hz, order=1)
    driven = saturated(tight, amp.gain, 0.25, sample_rate_hz)
    toned = peaking(driven, 600.0, amp.mids_db, 0.8, sample_rate_hz)
    toned = peaking(toned, 2800.0, amp.presence_db, 0.9, sample_rate_hz)
    boxed = highpass(toned, 75.0, sample_rate_hz)
    return lowpass(boxed, amp.cabinet_hz, sample_rate_hz, order=3)


def play_bass(
    notes: Iterable[Note], n_samples: int, sample_rate_hz: int, rng: np.random.Generator
) -> np.ndarray:
    """Bass guitar, driven lightly so that small speakers pass its low roots on as overtones."""
    dry = play_strings(notes, BASS, n_samples, sample_rate_hz, rng)
    driven = saturated(dry, 2.5, 0.3, sample_rate_hz)
    return lowpass(highpass(driven, 35.0, sample_rate_hz), 3000.0, sample_rate_hz)


def play_clean(
    notes: Iterable[Note], n_samples: int, sample_rate_hz: int, rng: np.random.Generator
) -> np.ndarray:
    """A clean electric guitar with a short echo."""
    dry = play_strings(notes, ELECTRIC, n_samples, sample_rate_hz, rng)
    warm = saturated(dry, 1.2, 0.2, sample_rate_hz)
    return echoed(lowpass(warm, 5500.0, sample_rate_hz), 0.11, 0.35, sample_rate_hz)


def play_organ(
    notes: Iterable[Note], n_samples: int, sample_rate_hz: int, rng: np.random.Generator
) -> np.ndarray:
    """A drawbar organ, slightly overdriven, through a rotating loudspeaker at 6 Hz."""
    drawbars = np.array([0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 8.0])
    levels = np.array([0.6, 1.0, 0.5, 0.7, 0.25, 0.3, 0.12])
    track = np.zeros(n_samples)
    n_release = round(RELEASE_SECONDS * sample_rate_hz)
    for note in notes:
        n_held = round(note.duration_seconds * sample_rate_hz)
        phases = rng.uniform(0.0, 2 * np.pi, len(drawbars))
        pitches_hz = midi_to_hz(note.midi) * drawbars
        steady = np.zeros(len(drawbars))
        pipe = damped_modes(pitches_hz, levels, steady, phases, n_held + n_release, sample_rate_hz)
        n_attack = min(len(pipe), round(0.012 * sample_rate_hz))
        pipe[:n_attack] *= np.linspace(0.0, 1.0, n_attack)
        sound = note.velocity * released(pipe, n_held, n_release)
        mix_in(track, sound, round(note.start_seconds * sample_rate_hz))
    rotation = np.sin(2 * np.pi * 6.0 * seconds_axis(n_samples, sample_rate_hz))
    return saturated(0.3 * track, 1.0, 0.1, sample_rate_hz) * (1.0 + 0.25 * rotation)


def kick(kit: Kit, sample_rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """A skin that falls to ``kick_hz`` within 30 ms, and the beater's click."""
    n_samples = round(0.45 * sample_rate_hz)
    skin = sweep(3.2 * kit.kick_hz, kit.kick_hz, 0.012, n_samples, sample_rate_hz)
    skin *= decay(0.32, n_samples, sample_rate_hz)
    knock = sweep(1800.0, 300.0, 0.006, n_samples, sample_rate_hz)
    noise = highpass(rng.standard_normal(n_samples), 1500.0, sample_rate_hz)
    click = knock + 0.35 * lowpass(noise, 6000.0, sample_rate_hz)
    click *= decay(0.03, n_samples, sample_rate_hz)
    return np.tanh(1.6 * skin) + 0.6 * kit.kick_click * click


def snare(kit: Kit, sample_rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """Two modes of the skin and the rattle of the wires."""
    n_samples = round(max(0.35, 1.1 * kit.snare_seconds) * sample_rate_hz)
    body = sweep(1.5 * kit.snare_hz, kit.snare_hz, 0.012, n_samples, sample_rate_hz)
    body += 0.6 * sweep(2.4 * kit.snare_hz, 1.72 * kit.snare_hz, 0.01, n_samples, sample_rate_hz)
    body *= decay(0.22, n_samples, sample_rate_hz)
    wires = highpass(rng.standard_normal(n_samples), 1300.0, sample_rate_hz)
    wires = lowpass(wires, 9000.0, sample_rate_hz)
    crack = wires * decay(0.05, n_samples, sample_rate_hz)
    rattle = wires * decay(kit.snare_seconds, n_samples, sample_rate_hz)
    return 0.8 * body + 0.55 * rattle + 0.5 * crack


def tom(frequency_hz: float, sample_rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """A deeper skin that rings longer, struck with a stick."""
    n_samples = round(0.6 * sample_rate_hz)
    skin = sweep(1.7 * frequency_hz, frequency_hz, 0.03, n_samples, sample_rate_hz)
    overtone = sweep(2.8 * frequency_hz, 1.6 * frequency_hz, 0.03, n_samples, sample_rate_hz)
    stick = highpass(rng.standard_normal(n_samples), 1000.0, sample_rate_hz)
    return (
        skin * decay(0.55, n_samples, sample_rate_hz)
        + 0.4 * overtone * decay(0.25, n_samples, sample_rate_hz)
        + 0.25 * stick * decay(0.05, n_samples, sample_rate_hz)
    )


def cymbal(
    centre_hz: float,
    t60_seconds: float,
    noise: float,
    sample_rate_hz: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """A metal plate: a crowd of inharmonic modes around ``centre_hz`` and a sheen of noise."""
    n_samples = round(min(2.5, t60_seconds) * sample_rate_hz)
    frequencies_hz = centre_hz * 2.0 ** rng.uniform(-2.5, 1.2, 120)
    octaves = np.log2(frequencies_hz / centre_hz)
    amplitudes = rng.uniform(0.2, 1.0, 120) * np.exp(-0.5 * octaves**2)
    # Low modes of a plate ring longest.
    decays = E_FOLDS_60_DB / t60_seconds * np.clip(1.0 + 0.4 * octaves, 0.5, 2.0)
    phases = rng.uniform(0.0, 2 * np.pi, 120)
    metal = damped_modes(frequencies_hz, amplitudes, decays, phases, n_samples, sample_rate_hz)
    sheen = highpass(rng.standard_normal(n_samples), 0.8 * centre_hz, sample_rate_hz)
    sheen *= decay(0.8 * t60_seconds, n_samples, sample_rate_hz)
    plate = metal / np.sqrt(np.sum(amplitudes**2)) + noise * sheen
    return highpass(released(plate, n_samples, n_samples // 4), 0.06 * centre_hz, sample_rate_hz)


def drum_kit(kit: Kit) -> dict[str, Callable[[int, np.random.Generator], np.ndarray]]:
    """Each voice of the kit as ``(sample_rate_hz, rng)`` → one hit, as loud as in the kit."""
    tone = kit.cymbal_hz
    return {
        "kick": lambda rate_hz, rng: 1.0 * kick(kit, rate_hz, rng),
        "snare": lambda rate_hz, rng: 1.2 * snare(kit, rate_hz, rng),
        "high tom": lambda rate_hz, rng: 0.75 * tom(kit.tom_hz[0], rate_hz, rng),
        "middle tom": lambda rate_hz, rng: 0.75 * tom(kit.tom_hz[1], rate_hz, rng),
        "floor tom": lambda rate_hz, rng: 0.85 * tom(kit.tom_hz[2], rate_hz, rng),
        "hat": lambda rate_hz, rng: 0.36 * cymbal(1.2 * tone, 0.14, 0.9, rate_hz, rng),
        "open hat": lambda rate_hz, rng: 0.28 * cymbal(1.1 * tone, 0.8, 0.8, rate_hz, rng),
        "ride": lambda rate_hz, rng: 0.26 * cymbal(0.8 * tone, 1.6, 0.25, rate_hz, rng),
        "crash": lambda rate_hz, rng: 0.34 * cymbal(0.75 * tone, 2.4, 0.6, rate_hz, rng),
    }


def play_drums(
    hits: Sequence[Hit], kit: Kit, n_samples: int, sample_rate_hz: int, rng: np.random.Generator
) -> np.ndarray:
    """The whole kit. Closing the hi-hat chokes it: an open hat ends where the next hit falls."""
    track = np.zeros(n_samples)
    voices = drum_kit(kit)
    n_release = round(RELEASE_SECONDS * sample_rate_hz)
    hat_seconds = [hit.start_seconds for hit in hits if hit.drum.endswith("hat")]
    for drum in sorted({hit.drum for hit in hits}):
        same = [hit for hit in hits if hit.drum == drum]
        takes = [voices[drum](sample_rate_hz, rng) for _ in range(min(N_TAKES, len(same)))]
        for index, hit in enumerate(same):
            sound = takes[index % len(takes)]
            if drum == "open hat":
                later = (s - hit.start_seconds for s in hat_seconds if s > hit.start_seconds)
                open_seconds = min(later, default=len(sound) / sample_rate_hz)
                sound = released(sound, round(open_seconds * sample_rate_hz), n_release)
            mix_in(track, hit.velocity * sound, round(hit.start_seconds * sample_rate_hz))
    return track
