"""Recordings for tests: short pieces of music-like sound, and files odd in every way people make.

Also what a test expects of them, so that other tests need not know how they are made.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

# name → (rate in Hz, channels, soundfile subtype)
ODD_BUT_USABLE = {
    "8 bit 8 kHz mono.wav": (8_000, 1, "PCM_U8"),
    "16 bit/44.1 kHz stereo.wav": (44_100, 2, "PCM_16"),
    "24 bit/96 kHz stereo.flac": (96_000, 2, "PCM_24"),
    "32 bit 48 kHz.aiff": (48_000, 1, "PCM_32"),
    "float 5.1 surround.wav": (48_000, 6, "FLOAT"),
    "double 11 kHz.wav": (11_025, 1, "DOUBLE"),
    "Motörhead – Überspielt 日本/Ace  of #1.ogg": (22_050, 2, "VORBIS"),
    "Motörhead – Überspielt 日本/B'side.MP3": (32_000, 2, "MPEG_LAYER_III"),
}
ODD_AND_UNUSABLE = {
    "text.wav": "Format not recognised",
    "empty.wav": "empty file",
    "silent.wav": "silent",
    "not a number.wav": "NaN or infinite",
    "short.wav": "0.40 s long",
    "truncated header.mp3": "cannot be read",
    "replica.flac": "exact replica of 16 bit/44.1 kHz stereo.wav",
    "telephone.m4a": "cannot be read as audio (Invalid data",
}
# What is left of it is long enough, and libsndfile reads it without complaint.
TRUNCATED_BUT_USABLE = "truncated.wav"


def music(seconds: float, sample_rate_hz: int, seed: int = 0) -> np.ndarray:
    """Chords of three decaying harmonic tones with a click on each beat: ``(n_samples,)`` float32.

    Peak 0.8; another ``seed`` is another progression.
    """
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * sample_rate_hz)) / sample_rate_hz
    beat, since_beat = np.divmod(t, 0.5)
    roots_hz = 110.0 * 2.0 ** (rng.integers(0, 12, int(beat[-1]) + 1) / 12)
    samples = rng.normal(0, 0.3, len(t)) * np.exp(-since_beat * 80)
    for ratio in (1, 1.5, 2):
        phase = 2 * np.pi * ratio * roots_hz[beat.astype(int)] * since_beat
        for harmonic in (1, 2, 3):
            samples += np.sin(harmonic * phase) / harmonic * np.exp(-3 * since_beat)
    return (0.8 * samples / np.abs(samples).max()).astype(np.float32)


def write_recording(
    path: Path,
    samples: np.ndarray,
    sample_rate_hz: int = 22_050,
    channels: int = 1,
    subtype: str = "PCM_16",
) -> Path:
    """Write ``(n_samples,)`` to ``path``, the same on all channels, and return ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sides = np.repeat(samples[:, None], channels, axis=1)
    soundfile.write(path, sides, sample_rate_hz, subtype, format=path.suffix[1:].upper())
    return path


def encoded(
    samples: np.ndarray, sample_rate_hz: int, container: str, subtype: str, **options: Any
) -> bytes:
    """The bytes of a file with ``(n_samples,)`` or ``(n_samples, n_channels)`` in it."""
    file = io.BytesIO()
    soundfile.write(file, samples, sample_rate_hz, subtype, format=container, **options)
    return file.getvalue()


def encoded_by_ffmpeg(
    samples: np.ndarray,
    sample_rate_hz: int,
    container: str,
    codec: str,
    tags: Mapping[str, str] | None = None,
) -> bytes:
    """The bytes of a file as :func:`encoded` makes one, in FFmpeg's names for its formats."""
    import av

    sides = samples.reshape(len(samples), -1).T.astype(np.float32)
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(sides)]
    file = io.BytesIO()
    with av.open(file, "w", format=container) as opened:
        opened.metadata.update(tags or {})
        stream = opened.add_stream(codec, sample_rate_hz, layout=layout, bit_rate=96_000)
        assert isinstance(stream, av.AudioStream)
        context = stream.codec_context
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sides), "fltp", layout)
        frame.sample_rate, frame.pts = sample_rate_hz, 0
        cutter = av.AudioResampler(
            context.format, layout, sample_rate_hz, context.frame_size or 1024
        )
        for piece in [*cutter.resample(frame), *cutter.resample(None), None]:
            opened.mux(stream.encode(piece))
    return file.getvalue()


def write_odd_recordings(folder: Path, seconds: float = 7.0) -> Path:
    """Fill ``folder`` with one file for each name above, and some that are no recordings at all."""
    for seed, (name, (rate_hz, channels, subtype)) in enumerate(ODD_BUT_USABLE.items()):
        samples = music(seconds, rate_hz, seed)
        write_recording(folder / name, samples, rate_hz, channels, subtype)
    _write_unusable(folder, seconds)
    whole = write_recording(folder / TRUNCATED_BUT_USABLE, music(3 * seconds, 22_050, seed=90))
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    (folder / "notes.txt").write_text("not audio, and not called so")
    (folder / "._16 bit.wav").write_bytes(b"\0\5\x16\7 what macOS leaves beside files")
    (folder / ".hidden").mkdir()
    write_recording(folder / ".hidden" / "trash.wav", music(seconds, 8_000, seed=91), 8_000)
    return folder


def _write_unusable(folder: Path, seconds: float) -> None:
    (folder / "text.wav").write_text("These are the lyrics, not the song.\n" * 50)
    (folder / "empty.wav").touch()
    (folder / "telephone.m4a").write_bytes(b"\0\0\0\x20ftypM4A ")
    write_recording(folder / "silent.wav", np.zeros(round(seconds * 8_000)), 8_000)
    write_recording(folder / "short.wav", music(0.4, 22_050, seed=92))
    mp3 = write_recording(
        folder / "truncated header.mp3", music(seconds, 32_000, 93), 32_000, 1, "MPEG_LAYER_III"
    )
    mp3.write_bytes(mp3.read_bytes()[:100])
    not_a_number = music(seconds, 22_050, seed=94)
    not_a_number[1000] = np.nan
    write_recording(folder / "not a number.wav", not_a_number, subtype="FLOAT")
    # The same integers in another container.
    integers, rate_hz = soundfile.read(folder / "16 bit" / "44.1 kHz stereo.wav", dtype="int16")
    soundfile.write(folder / "replica.flac", integers, rate_hz, "PCM_16")
