"""The tagger's network: musicnn in Keras 3, with its published weights.

It is musicnn as trained on the Million Song Dataset's 50 most frequent last.fm tags (Pons & Serra
2019, arXiv 1909.06654; its front end: Pons et al. 2018, arXiv 1711.02520), rebuilt from the weights
that PyPI's ``musicnn`` 0.1.0 carries (ISC licence). That package's own code needs TensorFlow 1 and
is never imported. Importing this module imports Keras: see ``common/keras_setup.py``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from soundloom.common.errors import SoundloomError
from soundloom.common.tensorflow_only import read_checkpoint
from soundloom.evaluation.tagger import EMBEDDING_SIZE, N_MELS, TAGS, WINDOW_FRAMES, Tagger

_MODEL = "MSD_musicnn"
# Adam's state, which the checkpoint holds beside the weights.
_OPTIMISER_SUFFIXES = ("/Adam", "/Adam_1", "_power")


def load_tagger() -> Tagger:
    """The tagger with the weights of the installed package ``musicnn``.

    Raises :class:`SoundloomError` when it is not installed or holds other weights.
    """
    return Tagger(network_of(checkpoint_weights()))


def network_of(weights: Mapping[str, np.ndarray]) -> keras.Model:
    """Log-mel windows → tags and embeddings, with ``weights`` by their names in the checkpoint.

    Raises :class:`SoundloomError` when a weight is missing, left over or of another shape.
    """
    network, unused = _network(), dict(weights)
    for layer in network.layers:
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
    return network


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
    """The network without its weights; layers have the names of the checkpoint's variables.

    In the comments B is the batch, T the 187 frames.
    """
    named = _NumberedLayers()
    windows = keras.Input((WINDOW_FRAMES, N_MELS))
    image = named.batch_norm(ops.expand_dims(windows, -1))  # (B, T, 96, 1)

    # Front end. Timbre: filters 7 frames long and 0.4 or 0.7 of all bands high, of which the best
    # match at any height counts. Rhythm: filters of one band over 2, 1 and 0.5 s.
    around = layers.ZeroPadding2D(((3, 3), (0, 0)))(image)
    filtered = [named.front(around, 204, (7, height), "valid") for height in (38, 67)]
    filtered += [named.front(image, 51, (length, 1), "same") for length in (128, 64, 32)]
    features = ops.concatenate(filtered, axis=-1)  # (B, T, 561)

    # Middle: convolutions over 7 frames of all features; the later two add to their inputs.
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
        """``(B, frames, 96, 1)`` → ``(B, T, filters)``: the maximum over all bands."""
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
