"""A plain picture network on log-mel windows, in Keras 3: five layers of 3 × 3 filters.

The baseline that musicnn was published beside, trained on the Million Song Dataset's 50 most
frequent last.fm tags (Pons & Serra 2019, arXiv 1909.06654; the shape: Choi et al. 2016, arXiv
1606.00298). It sees small details of the spectrogram where musicnn takes maxima over all bands.
Importing this module imports Keras.
"""

from __future__ import annotations

import keras
from keras import layers, ops

from soundloom.evaluation.tagger import N_MELS, TAGS, WINDOW_FRAMES

_FILTERS = 128
# (size, strides) of the pooling after each layer, over frames and bands.
_POOLINGS = (((4, 1), 2), ((2, 2), 2), ((2, 2), 2), ((2, 2), 2), ((4, 4), 4))


def vgg() -> keras.Model:
    """The network without its weights; layers have the names of the checkpoint's variables.

    Its embeddings, ``(batch, 256)``, are the last pooled features, two places in time of 128.
    """
    windows = keras.Input((WINDOW_FRAMES, N_MELS))
    image = _batch_norm(0)(ops.expand_dims(windows, -1), training=False)  # (B, 187, 96, 1)
    for number, (size, strides) in enumerate(_POOLINGS, start=1):
        convolution = layers.Conv2D(
            _FILTERS, 3, padding="same", activation="relu", name=f"{number}CNN"
        )
        image = _batch_norm(number)(convolution(image), training=False)
        image = layers.MaxPooling2D(size, strides)(image)
    embeddings = layers.Flatten()(image)  # (B, 2 * 1 * 128)
    tags = layers.Dense(len(TAGS), "sigmoid", name="dense")(embeddings)
    return keras.Model(windows, [tags, embeddings])


def _batch_norm(number: int) -> layers.BatchNormalization:
    name = f"batch_normalization_{number}" if number else "batch_normalization"
    return layers.BatchNormalization(epsilon=1e-3, name=name)
