"""``models/generator``: all it takes to turn a prompt into audio, in one folder.

``codec.json``, ``model.json`` (the model's parameters), ``network.weights.h5`` and ``arrays.npz``;
byte-stable and without pickles.
"""

from __future__ import annotations

from pathlib import Path

import keras

from soundloom.common.errors import SoundloomError
from soundloom.common.io import read_arrays, read_json, write_arrays, write_json
from soundloom.models.base import FrameModel
from soundloom.models.config import ModelConfig
from soundloom.models.registry import MODELS
from soundloom.spectral.codec import FrameCodec

_CODEC_FILE, _MODEL_FILE = "codec.json", "model.json"
_WEIGHTS_FILE, _ARRAYS_FILE = "network.weights.h5", "arrays.npz"


def save_generator(folder: Path, model: FrameModel, codec: FrameCodec, config: ModelConfig) -> None:
    """Write a trained model and its codec into an existing, empty folder."""
    write_json(folder / _CODEC_FILE, codec.to_json())
    write_json(folder / _MODEL_FILE, {"config": config.model_dump()})
    write_arrays(folder / _ARRAYS_FILE, model.arrays())
    # Through a model never compiled: the optimiser's state would triple the file. It has a name of
    # its own, as the file holds it and Keras would number it.
    network = model.network
    bare = keras.Model(network.inputs, network.outputs, name="network")
    bare.save_weights(folder / _WEIGHTS_FILE)


def load_generator(folder: Path) -> tuple[FrameModel, FrameCodec]:
    """Read what :func:`save_generator` wrote.

    Raises :class:`SoundloomError` when the folder is absent or not a generator's.
    """
    try:
        codec = FrameCodec.from_json(read_json(folder / _CODEC_FILE))
        config = ModelConfig.model_validate(read_json(folder / _MODEL_FILE)["config"])
        model = MODELS[config.name].from_arrays(
            config,
            codec.config.n_bins,
            codec.frames_per_second,
            read_arrays(folder / _ARRAYS_FILE),
        )
        model.network.load_weights(folder / _WEIGHTS_FILE)
        return model, codec
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise SoundloomError(f"{folder}: not a trained generator: {error}") from None
