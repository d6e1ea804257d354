"""The tagger: tags of music from a pretrained network, and embeddings that place it among other.

Audio → log-mel windows of 3 s → tags and embeddings of each, and embeddings by further ears, other
networks that take the same windows. The networks, which take Keras, are handed in:
``pretrained.py`` builds them.

It is fed 16 kHz, thus nothing above 8 kHz, and loudness matters to it. On 49 clips of rock, 3 dB
less moves the embeddings by a Fréchet distance of 3 and 12 dB less by 30, where two halves of the
same songs lie 8 apart: bring what is to be compared to one level first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

import librosa
import numpy as np

from soundloom.audio.samples import resample
from soundloom.common.errors import SoundloomError
from soundloom.evaluation.config import WINDOW_SECONDS

# What the network was trained on; see configuration.py of the package musicnn.
SAMPLE_RATE_HZ = 16_000
N_FFT, HOP_SAMPLES, N_MELS = 512, 256, 96
WINDOW_FRAMES = 187
TAGS = (
    "rock", "pop", "alternative", "indie", "electronic", "female vocalists", "dance", "00s",
    "alternative rock", "jazz", "beautiful", "metal", "chillout", "male vocalists", "classic rock",
    "soul", "indie rock", "Mellow", "electronica", "80s", "folk", "90s", "chill", "instrumental",
    "punk", "oldies", "blues", "hard rock", "ambient", "acoustic", "experimental",
    "female vocalist", "guitar", "Hip-Hop", "70s", "party", "country", "easy listening", "sexy",
    "catchy", "funk", "electro", "heavy metal", "Progressive rock", "60s", "rnb", "indie pop",
    "sad", "House", "happy",
)  # fmt: skip
EMBEDDING_SIZE = 200

# Every batch has this many windows, filled up with silence: one shape is compiled once, and sums
# are rounded alike however many windows there are. Larger batches are no faster on a CPU.
_BATCH_WINDOWS = 4


class Network(Protocol):
    """What the tagger needs of a Keras model."""

    def predict_on_batch(self, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``(batch, 187, 96)`` windows → tags ``(batch, 50)`` and embeddings ``(batch, size)``."""


@dataclass(frozen=True)
class TagResult:
    """What the tagger and the further ears made of the windows of one recording."""

    tags: np.ndarray
    """``(n_windows, 50)`` float32 in [0, 1]: how likely each of :data:`TAGS` is, independently."""

    embeddings: np.ndarray
    """``(n_windows, 200)`` float32: the batch-normalised dense layer that the tags are read from.

    musicnn calls it "penultimate". Unlike the pooled features before it, whose maxima are unbounded
    and whose 753 values outnumber the windows there usually are, it suits a Gaussian.
    """

    further: Mapping[str, np.ndarray]
    """Embeddings by each further ear, ``(n, size)`` float32, of windows one after the other.

    Where windows overlap they say little more than those that do not, and every ear takes time.
    """


class Tagger:
    """Networks applied to audio; the same audio and thread count give the same numbers.

    Of threads that call it at once, one at a time is in the networks, which use all cores.
    """

    def __init__(self, network: Network, further: Mapping[str, Network] | None = None):
        self._network, self._further = network, further or {}
        self._in_networks = Lock()

    def __call__(
        self, samples: np.ndarray, sample_rate_hz: int, hop_seconds: float = WINDOW_SECONDS
    ) -> TagResult:
        """Tag windows of 3 s, one every ``hop_seconds``; see :func:`log_mel_windows`.

        Silence is no error: it always gives one and the same vector, which says nothing of music.
        """
        frames = _log_mel(samples, sample_rate_hz)
        overlapping, apart = _windows(frames, hop_seconds), _windows(frames, WINDOW_SECONDS)
        with self._in_networks:
            tags, embeddings = _apply(self._network, overlapping)
            further = {name: _apply(network, apart)[1] for name, network in self._further.items()}
        return TagResult(tags, embeddings, further)


def _apply(network: Network, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tags and embeddings of any number of windows."""
    padded = np.pad(windows, ((0, -len(windows) % _BATCH_WINDOWS), (0, 0), (0, 0)))
    batches = [
        network.predict_on_batch(padded[start : start + _BATCH_WINDOWS])
        for start in range(0, len(padded), _BATCH_WINDOWS)
    ]
    tags, embeddings = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return tags[: len(windows)], embeddings[: len(windows)]


def log_mel_windows(
    samples: np.ndarray, sample_rate_hz: int, hop_seconds: float = WINDOW_SECONDS
) -> np.ndarray:
    """``(n_samples,)`` audio → ``(n_windows, 187, 96)`` float32, ``log10(1 + 10000 * mel power)``.

    Windows last 3 s (187 frames of 16 ms) and start every ``hop_seconds``, as long as they fit.

    musicnn's own code rounds the powers to float16 first, where ten thousand times a power above
    6.55 is infinite (1 % of the values of a loud clip); here they stay float32.

    Raises :class:`SoundloomError`: audio shorter than a window, not mono or not finite, or a hop
    shorter than a frame.
    """
    return _windows(_log_mel(samples, sample_rate_hz), hop_seconds)


def _log_mel(samples: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """``(n_samples,)`` audio → ``(n_frames, 96)`` float32; errors: :func:`log_mel_windows`."""
    if samples.ndim != 1 or not np.isfinite(samples).all():
        raise SoundloomError(f"audio to tag must be mono and finite; got shape {samples.shape}")
    if len(samples) < WINDOW_SECONDS * sample_rate_hz:
        raise SoundloomError(
            f"audio to tag lasts {len(samples) / sample_rate_hz:.2f} s; "
            f"it must last at least {WINDOW_SECONDS} s"
        )
    power = librosa.feature.melspectrogram(
        y=resample(samples, sample_rate_hz, SAMPLE_RATE_HZ),
        sr=SAMPLE_RATE_HZ,
        n_fft=N_FFT,
        hop_length=HOP_SAMPLES,
        n_mels=N_MELS,
    ).T
    return np.log10(10_000.0 * power + 1.0).astype(np.float32)


def _windows(frames: np.ndarray, hop_seconds: float) -> np.ndarray:
    """``(n_frames, 96)`` → ``(n_windows, 187, 96)``, one every ``hop_seconds``."""
    frames_per_second = SAMPLE_RATE_HZ / HOP_SAMPLES
    if hop_seconds * frames_per_second < 1.0:
        raise SoundloomError(
            f"hop_seconds is {hop_seconds}; it must be at least {1 / frames_per_second}"
        )
    last_start = len(frames) - WINDOW_FRAMES
    n_windows = 1 + int(last_start / (hop_seconds * frames_per_second))
    starts = np.round(np.arange(n_windows) * hop_seconds * frames_per_second).astype(int)
    return np.stack([frames[start : start + WINDOW_FRAMES] for start in starts])
