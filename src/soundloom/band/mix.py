"""Parts → one finished mono track: levels, room, bus compression, full scale."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits

from soundloom.band import instruments
from soundloom.band.compose import compose
from soundloom.band.score import Song
from soundloom.band.synthesis import (
    active_rms,
    compressed,
    echoed,
    highpass,
    peaking,
    reverberated,
    saturated,
)

PEAK_DBFS = -1.0
DOUBLE_DETUNE_CENTS = 4.0  # between the two takes of the rhythm guitar
PROGRAM_RMS = 0.2  # at which level the bus compressor and limiter are set


def perform(seed: int, track_index: int, clip_seconds: float, sample_rate_hz: int) -> np.ndarray:
    """Compose and play one track of the corpus.

    Returns ``(round(clip_seconds * sample_rate_hz),)`` float32 mono, peak -1 dBFS.
    """
    song = compose(seed, track_index, clip_seconds)
    rng = np.random.default_rng(np.random.SeedSequence((seed, track_index, 2)))
    # Sums come out the same to the last bit only when as many threads share the matrix products.
    with threadpool_limits(limits=1):
        return mix(song, sample_rate_hz, rng)


def mix(song: Song, sample_rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """Play all parts of ``song`` and mix them; see :func:`perform` for what comes back."""
    drums, *others = _levelled(song, _parts(song, sample_rate_hz, rng), sample_rate_hz)
    dry = drums + sum(others)
    # Drums carry most of the room, and the bass none, or the mix turns to mud.
    _, *upper = others
    sent = drums + 0.4 * sum(upper)
    room = reverberated(sent, song.band.room_seconds, sample_rate_hz, rng)
    return _mastered(dry + song.band.room_level * room, sample_rate_hz)


def _parts(song: Song, sample_rate_hz: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Drums, bass, rhythm guitars, lead guitar and colour, each as loud as it happens to be."""
    n_samples = round(song.clip_seconds * sample_rate_hz)
    size = (n_samples, sample_rate_hz)
    amp = song.band.amp
    guitars = [
        instruments.amplify(
            instruments.play_strings(take, instruments.ELECTRIC, *size, rng, detune_cents),
            amp,
            sample_rate_hz,
        )
        for take, detune_cents in (
            (song.left, -DOUBLE_DETUNE_CENTS / 2),
            (song.right, DOUBLE_DETUNE_CENTS / 2),
        )
    ]
    lead = instruments.amplify(
        instruments.play_lead(song.lead, instruments.SINGING, *size, rng), amp, sample_rate_hz
    )
    dotted_eighth_seconds = 0.75 * 60.0 / song.grid.tempo_bpm
    play_colour = instruments.play_organ if song.band.colour == "organ" else instruments.play_clean
    return [
        instruments.play_drums(song.drums, song.band.kit, *size, rng),
        instruments.play_bass(song.bass, *size, rng),
        guitars[0] + guitars[1],
        echoed(lead, dotted_eighth_seconds, 0.35, sample_rate_hz),
        play_colour(song.colour, *size, rng),
    ]


def _levelled(song: Song, parts: list[np.ndarray], sample_rate_hz: int) -> list[np.ndarray]:
    """Each part at unit RMS while it plays, then at the band's fader."""
    levels_db = (0.0, *song.band.levels_db)
    return [
        part * (10 ** (level_db / 20) / max(active_rms(part, sample_rate_hz), 1e-9))
        for part, level_db in zip(parts, levels_db, strict=True)
    ]


def _mastered(mixed: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Subsonic filter, some weight, compression, soft clipping, -1 dBFS."""
    weighty = peaking(highpass(mixed, 30.0, sample_rate_hz), 90.0, 2.5, 0.7, sample_rate_hz)
    level = weighty * (PROGRAM_RMS / max(active_rms(weighty, sample_rate_hz), 1e-9))
    glued = compressed(level, -14.0, 2.0, sample_rate_hz)
    # Centred once more: a soft clip of lopsided peaks leaves a little direct current.
    loud = highpass(saturated(glued, 1.2, 0.0, sample_rate_hz), 20.0, sample_rate_hz)
    full_scale = 10 ** (PEAK_DBFS / 20)
    return (loud * (full_scale / max(float(np.abs(loud).max()), 1e-9))).astype(np.float32)
