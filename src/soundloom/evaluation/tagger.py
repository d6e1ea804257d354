"""A pretrained listener: what tags a stretch of music would get, and its place among other music.

The network is musicnn, as trained on the Million Song Dataset's 50 most frequent last.fm tags
(Pons & Serra 2019, arXiv 1909.06654; its front end: Pons et al. 2018, arXiv 1711.02520), rebuilt
here in Keras 3 from the weights that PyPI's ``musicnn`` 0.1.0 carries (ISC licence). That package's
own code needs TensorFlow 1 and is never imported.

It hears 16 kHz, thus nothing above 8 kHz, and it hears loudness. On 49 clips of rock, 3 dB less
moves the embeddings by a Fréchet distance of 3 and 12 dB less by 30, where two halves of the same
songs lie 8 apart: bring what is to be compared to one level first.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import keras
import librosa
import numpy as np
from keras import layers, ops

from soundloom.audio.samples import resample
from soundloom.common.errors import SoundloomError
from soundloom.common.tensorflow_only import read_checkpoint

# What the network was trained on; see configuration.py of the package.
SAMPLE_RATE_HZ = 16_000
N_FFT, HOP_SAMPLES, N_MELS = 512, 256, 96
WINDOW_FRAMES = 187
WINDOW_SECONDS = 3.0
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

_MODEL = "MSD_musicnn"
# Adam's state, which the checkpoint holds beside the weights.
_OPTIMISER_SUFFIXES = ("/Adam", "/Adam_1", "_power")
# Every batch has this many windows, filled up with silence: one shape is compiled once, and sums
# are rounded alike however many windows there are. Larger batches are no faster on a CPU.
_BATCH_WINDOWS = 4


@dataclass(frozen=True)
class TagResult:
    """What the tagger made of each window of one recording."""

    tags: np.ndarray
    """``(n_windows, 50)`` float32 in [0, 1]: how likely each of :data:`TAGS` is, independently."""

    embeddings: np.ndarray
    """``(n_windows, 200)`` float32: the batch-normalised dense layer that the tags are read from.

    musicnn calls it "penultimate". Unlike the pooled features before it, whose maxima are unbounded
    and whose 753 values outnumber the windows there usually are, it suits a Gaussian.
    """


class Tagger:
    """The network with its weights; the same audio and thread count give the same numbers."""

    def __init__(self, weights: dict[str, np.ndarray]):
        """Take ``weights`` by name in the checkpoint.

        Raises :class:`SoundloomError` when a weight is missing, left over or of another shape.
        """
        self.network = _network()
        unused = dict(weights)
        for layer in self.network.layers:
            names = [f"{layer.name}/{weight.name}" for weight in layer.weights]
            for name, weight in zip(names, layer.weights, strict=True):
                found, shape = unused.pop(name, None), tuple(weight.shape)
                # Filters that span all features lie there as pictures one channel deep.
                if found is not None and found.ndim == len(shape) + 1 and found.shape[2] == 1:
                    found = found.squeeze(2)
                if found is None or found.shape != shape:
                    raise SoundloomError(
                        f"{_MODEL}: weight {name} should have shape {shape}; "
                        f"found {'none' if found is None else found.shape}"
                    )
                weight.assign(found)
        if unused:
            raise SoundloomError(f"{_MODEL}: weights of no layer: {', '.join(sorted(unused))}")

    @classmethod
    def load(cls) -> Self:
        """Read the weights from the installed package ``musicnn``.

        Raises :class:`SoundloomError` when it is not installed or holds other weights.
        """
        return cls(checkpoint_weights())

    def __call__(
        self, samples: np.ndarray, sample_rate_hz: int, hop_seconds: float = WINDOW_SECONDS
    ) -> TagResult:
        """Listen to windows of 3 s, one every ``hop_seconds``; see :func:`log_mel_windows`.

        Silence is no error: it always gives one and the same vector, which says nothing of music.
        """
        windows = log_mel_windows(samples, sample_rate_hz, hop_seconds)
        n_padding = -len(windows) % _BATCH_WINDOWS
        padded = np.pad(windows, ((0, n_padding), (0, 0), (0, 0)))
        batches = [
            self.network.predict_on_batch(padded[start : start + _BATCH_WINDOWS])
            for start in range(0, len(padded), _BATCH_WINDOWS)
        ]
        tags, embeddings = (np.concatenate(parts) for parts in zip(*batches, strict=True))
        return TagResult(tags[: len(windows)], embeddings[: len(windows)])


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
    if samples.ndim != 1 or not np.isfinite(samples).all():
        raise SoundloomError(f"audio to tag must be mono and finite; got shape {samples.shape}")
    frames_per_second = SAMPLE_RATE_HZ / HOP_SAMPLES
    if hop_seconds * frames_per_second < 1.0:
        raise SoundloomError(
            f"hop_seconds is {hop_seconds}; it must be at least {1 / frames_per_second}"
        )
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
    frames = np.log10(10_000.0 * power + 1.0).astype(np.float32)
    last_start = len(frames) - WINDOW_FRAMES
    n_windows = 1 + int(last_start / (hop_seconds * frames_per_second))
    starts = np.round(np.arange(n_windows) * hop_seconds * frames_per_second).astype(int)
    return np.stack([frames[start : start + WINDOW_FRAMES] for start in starts])


def checkpoint_weights() -> dict[str, np.ndarray]:
    """Weights of MSD_musicnn by name, from the installed package, without the optimiser's state."""
    # Finding a package does not run it.
    package = find_spec("musicnn")
    if package is None or not package.submodule_search_locations:
        raise SoundloomError("the package musicnn 0.1.0 is not installed; its weights are needed")
    folder = Path(package.submodule_search_locations[0]) / _MODEL
    if not (folder / ".index").is_file():
        raise SoundloomError(f"{folder}: holds no checkpoint; musicnn 0.1.0 has one there")
    # The checkpoint's files have no name but their endings.
    variables = read_checkpoint(f"{folder}/")
    return {
        name: value for name, value in variables.items() if not name.endswith(_OPTIMISER_SUFFIXES)
    }


def _network() -> keras.Model:
    """Log-mel windows → tags and embeddings; layers have the names of the checkpoint's variables.

    In the comments B is the batch, T the 187 frames.
    """
    named = _NumberedLayers()
    windows = keras.Input((WINDOW_FRAMES, N_MELS))
    image = named.batch_norm(ops.expand_dims(windows, -1))  # (B, T, 96, 1)

    # Front end. Timbre: filters 7 frames long and 0.4 or 0.7 of all bands high, of which the best
    # match at any height counts. Rhythm: filters of one band over 2, 1 and 0.5 s.
    around = layers.ZeroPadding2D(((3, 3), (0, 0)))(image)
    heard = [named.front(around, 204, (7, height), "valid") for height in (38, 67)]
    heard += [named.front(image, 51, (length, 1), "same") for length in (128, 64, 32)]
    features = ops.concatenate(heard, axis=-1)  # (B, T, 561)

    # Middle: convolutions over 7 frames of all features; the later two add to what they are given.
    first = named.middle(features)  # (B, T, 64)
    second = first + named.middle(first)
    third = second + named.middle(second)
    features = ops.concatenate([features, first, second, third], axis=-1)  # (B, T, 753)

    # Back end: each feature's maximum over time and then its mean, feature by feature.
    pooled = ops.stack([ops.max(features, axis=1), ops.mean(features, axis=1)], axis=-1)
    pooled = named.batch_norm(layers.Flatten()(pooled))  # (B, 1506)
    embeddings = named.batch_norm(named.dense(pooled, EMBEDDING_SIZE, "relu"))
    tags = named.dense(embeddings, len(TAGS), "sigmoid")
    return keras.Model(windows, [tags, embeddings])


class _NumberedLayers:
    """Layers applied in the checkpoint's order and named as TensorFlow 1 numbered them there."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def batch_norm(self, inputs: Any) -> Any:
        layer = layers.BatchNormalization(epsilon=1e-3, name=self._name("batch_normalization"))
        return layer(inputs, training=False)

    def dense(self, inputs: Any, units: int, activation: str) -> Any:
        return layers.Dense(units, activation, name=self._name("dense"))(inputs)

    def front(self, image: Any, filters: int, kernel_size: tuple[int, int], padding: str) -> Any:
        """``(B, frames, 96, 1)`` → ``(B, T, filters)``: the loudest answer over all bands."""
        convolution = layers.Conv2D(
            filters, kernel_size, padding=padding, activation="relu", name=self._name("conv2d")
        )
        return ops.max(self.batch_norm(convolution(image)), axis=2)

    def middle(self, features: Any) -> Any:
        """``(B, T, n_features)`` → ``(B, T, 64)``."""
        convolution = layers.Conv1D(
            64, 7, padding="same", activation="relu", name=self._name("conv2d")
        )
        return self.batch_norm(convolution(features))

    def _name(self, kind: str) -> str:
        number = self._counts[kind]
        self._counts[kind] += 1
        return f"{kind}_{number}" if number else kind
