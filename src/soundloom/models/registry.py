"""Models by name, and their folders on disk."""

from __future__ import annotations

from pathlib import Path

from soundloom.common.errors import SoundloomError
from soundloom.common.io import read_json, write_json
from soundloom.models.base import FrameModel
from soundloom.models.config import ModelConfig
from soundloom.models.density import Density
from soundloom.models.lstm import Lstm
from soundloom.models.tokens import Tokens
from soundloom.spectral.codec import FrameCodec

_CODEC_FILE, _MODEL_FILE = "codec.json", "model.json"

MODELS: dict[str, type[FrameModel]] = {"lstm": Lstm, "tokens": Tokens, "density": Density}


def build_model(config: ModelConfig, codec: FrameCodec) -> FrameModel:
    """An untrained model of the kind ``config.name`` names, for the codec's frames."""
    return MODELS[config.name].build(config, codec.config.n_bins, codec.frames_per_second)


def save_generator(folder: Path, model: FrameModel, codec: FrameCodec, config: ModelConfig) -> None:
    """Write all it takes to turn a prompt into audio into an existing, empty folder."""
    write_json(folder / _CODEC_FILE, codec.to_json())
    write_json(folder / _MODEL_FILE, {"config": config.model_dump()})
    model.save(folder)


def load_generator(folder: Path) -> tuple[FrameModel, FrameCodec]:
    """Read what :func:`save_generator` wrote.

    Raises :class:`SoundloomError` when the folder is absent or not a generator's.
    """
    try:
        codec = FrameCodec.from_json(read_json(folder / _CODEC_FILE))
        config = ModelConfig.model_validate(read_json(folder / _MODEL_FILE)["config"])
        model = MODELS[config.name].load(
            folder, config, codec.config.n_bins, codec.frames_per_second
        )
        return model, codec
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise SoundloomError(f"{folder}: not a trained generator: {error}") from None
