"""musicnn in Keras 3: filters shaped after timbre and rhythm.

It was trained on the Million Song Dataset's 50 most frequent last.fm tags, and on MagnaTagATune's
(Pons & Serra 2019, arXiv 1909.06654; its front end: Pons et al. 2018, arXiv 1711.02520). Importing
this module imports Keras.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import keras
from keras import layers, ops

from soundloom.evaluation.tagger import EMBEDDING_SIZE, N_MELS, TAGS, WINDOW_FRAMES


def musicnn() -> keras.Model:
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
