"""``models/generator``: all it takes to turn a prompt into audio, in one folder.

``codec.json``, ``model.json`` (the model's parameters), ``network.weights.h5``, ``arrays.npz`` and
``SHA256SUMS`` of these four (``sha256sum --check`` reads it); byte-stable and without pickles.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import keras
import numpy as np

from soundloom.common.errors import SoundloomError, first_line
from soundloom.common.io import (
    check_sums,
    read_arrays,
    read_json,
    write_arrays,
    write_json,
    write_sums,
)
from soundloom.models.base import FrameModel
from soundloom.models.config import (
    ARRAYS_FILE,
    GENERATOR_FILES,
    MODEL_FILE,
    WEIGHTS_FILE,
    ModelConfig,
)
from soundloom.models.registry import MODELS
from soundloom.spectral.codec import FrameCodec
from soundloom.spectral.files import read_codec, write_codec


def save_generator(folder: Path, model: FrameModel, codec: FrameCodec, config: ModelConfig) -> None:
    """Write a trained model and its codec into an existing, empty folder."""
    write_codec(folder, codec)
    write_json(folder / MODEL_FILE, {"config": config.model_dump()})
    write_arrays(folder / ARRAYS_FILE, model.arrays())
    # Through a model never compiled: the optimiser's state would triple the file. It has a name of
    # its own, as the file holds it and Keras would number it.
    network = model.network
    bare = keras.Model(network.inputs, network.outputs, name="network")
    bare.save_weights(folder / WEIGHTS_FILE)
    write_sums(folder)


def load_generator(folder: Path) -> tuple[FrameModel, FrameCodec]:
    """Read what :func:`save_generator` wrote.

    Raises :class:`SoundloomError` naming the file that is absent, damaged or of another model. The
    sums tell what was damaged or exchanged by accident. Files that somebody else made may have sums
    that are right: so each is also held against what the model of ``model.json`` asks of it.
    """
    check_sums(folder, GENERATOR_FILES)
    codec = read_codec(folder)
    return _load(folder, read_model_config(folder), codec), codec


def load_base(folder: Path, config: ModelConfig, codec: FrameCodec) -> FrameModel:
    """A trained model as the beginning of another, which ``config`` describes, on other frames.

    Raises :class:`SoundloomError` as :func:`load_generator` does, and naming the parameters by
    which the two are not of one architecture, or their frames not of one kind.
    """
    check_sums(folder, GENERATOR_FILES)
    its_codec = read_codec(folder)
    its_config = read_model_config(folder)
    config.check_begins(codec.kind_of_frames(), its_config, its_codec.kind_of_frames(), folder)
    # What each corpus teaches anew.
    units = {"detail_units": its_config.latents.detail_units}
    its = {"latents": config.latents.model_copy(update=units), "turns": its_config.turns}
    return _load(folder, config.model_copy(update=its), its_codec)


def read_model_config(folder: Path) -> ModelConfig:
    """What a generator's model was built by; :class:`SoundloomError` where that is not valid."""
    return ModelConfig.from_json(read_json(folder / MODEL_FILE), str(folder / MODEL_FILE))


def _load(folder: Path, config: ModelConfig, codec: FrameCodec) -> FrameModel:
    kind, n_bins = MODELS[config.name], codec.n_bins
    arrays = read_arrays(folder / ARRAYS_FILE, kind.shapes(config, n_bins))
    model = kind.from_arrays(config, n_bins, codec.frames_per_second, arrays)
    _load_weights(model.network, folder / WEIGHTS_FILE)
    return model


def _load_weights(network: keras.Model, path: Path) -> None:
    # Keras leaves weights that the file does not hold as they are, with a warning at most.
    network.set_weights([np.full(weight.shape, np.nan) for weight in network.weights])
    try:
        with warnings.catch_warnings(action="ignore"):
            network.load_weights(path)
    except Exception as error:  # Keras and h5py each raise their own
        raise SoundloomError(
            f"{path}: not the weights of the model in {MODEL_FILE}: {first_line(error)}"
        ) from None
    for weight in network.weights:
        if not np.isfinite(keras.ops.convert_to_numpy(weight)).all():
            raise SoundloomError(f"{path}: weights of {weight.path} are missing, NaN or infinite")
