"""The section ``model``: which model, and a section for each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from soundloom.common.errors import SoundloomError
from soundloom.common.params import Section, flattened
from soundloom.spectral.config import CODEC_FILE

MODEL_FILE, WEIGHTS_FILE, ARRAYS_FILE = "model.json", "network.weights.h5", "arrays.npz"
GENERATOR_FILES = (CODEC_FILE, MODEL_FILE, WEIGHTS_FILE, ARRAYS_FILE)
"""What a model's folder holds, beside the sums of them."""

Shapes = dict[str, tuple[int, ...]]
"""Of arrays, by their names."""

CONDITIONING = ("style", "beat_clock", "bar_lags", "harmony_plan")
"""Kinds of conditioning, in the order in which a model applies them."""


# What decides on a training and leaves no trace in the shapes of what is trained, or, as the detail
# does, is learned anew from each corpus.
_OF_TRAINING = {
    "model.latents.detail_units",
    "model.lstm.input_noise",
    "model.latents.detail_epochs",
    "model.texture.epochs",
    "model.backbone.dropout",
    "model.backbone.crop_frames",
    "model.tokens.dropout",
    "model.tokens.token_noise",
    "model.density.dropout",
}


# Keys that came after the first models that can still be read, each with what it is in those.
_CAME_LATER: dict[str, Any] = {
    "base": "none",
    "turns": 0,
    "texture": {"units": 0, "layers": 1, "epochs": 1},
}
_CAME_LATER_TO_DENSITY = {"singly": 0, "together": 1}  # all one by one


class LstmConfig(Section):
    """``model.lstm``: the notebook's network."""

    units: Annotated[int, Field(ge=1, le=4096)]
    layers: Annotated[int, Field(ge=1, le=8)]
    input_noise: Annotated[float, Field(ge=0, le=1)]


class LatentsConfig(Section):
    """``model.latents``: the principal components that tokens and density model."""

    stack_frames: Annotated[int, Field(ge=1, le=16)]
    n_latents: Annotated[int, Field(ge=1, le=1024)]
    detail_units: Annotated[int, Field(ge=0, le=8192)]
    detail_epochs: Annotated[int, Field(ge=1, le=1000)]


class TextureConfig(Section):
    """``model.texture``: the network that draws what latents leave out of the frames."""

    units: Annotated[int, Field(ge=0, le=4096)]
    layers: Annotated[int, Field(ge=1, le=32)]
    epochs: Annotated[int, Field(ge=1, le=10000)]


class BackboneConfig(Section):
    """``model.backbone``: the recurrent network of tokens and density."""

    units: Annotated[int, Field(ge=1, le=4096)]
    layers: Annotated[int, Field(ge=1, le=8)]
    dropout: Annotated[float, Field(ge=0, le=0.9)]
    crop_frames: Annotated[int, Field(ge=0, le=4096)]


class TokensConfig(Section):
    """``model.tokens``: residual codebooks and the head that predicts their codes."""

    levels: Annotated[int, Field(ge=1, le=32)]
    codes: Annotated[int, Field(ge=2, le=4096)]
    hidden_units: Annotated[int, Field(ge=1, le=4096)]
    dropout: Annotated[float, Field(ge=0, le=0.9)]
    token_noise: Annotated[float, Field(ge=0, le=1)]


class DensityConfig(Section):
    """``model.density``: the head that gives each latent a mixture of Gaussians."""

    components: Annotated[int, Field(ge=1, le=64)]
    singly: Annotated[int, Field(ge=0, le=1024)]
    together: Annotated[int, Field(ge=1, le=1024)]
    hidden_units: Annotated[int, Field(ge=1, le=8192)]
    dropout: Annotated[float, Field(ge=0, le=0.9)]


class ModelConfig(Section):
    """``model``: which model, and a section for each."""

    key = "model"

    name: Literal["lstm", "tokens", "density"]
    base: Literal["none", "pretrained"]
    conditioning: list[Literal["style", "beat_clock", "bar_lags", "harmony_plan"]]
    turns: Annotated[int, Field(ge=0, le=1000)]
    lstm: LstmConfig
    latents: LatentsConfig
    texture: TextureConfig
    backbone: BackboneConfig
    tokens: TokensConfig
    density: DensityConfig

    def architecture(self) -> dict[str, Any]:
        """Parameters, by ``model.section.key``, that weights of another model must share to fit."""
        sections = {"lstm": ("lstm",), "tokens": ("latents", "texture", "backbone", "tokens")}
        sections["density"] = ("latents", "texture", "backbone", "density")
        chosen = {name: getattr(self, name).model_dump() for name in sections[self.name]}
        own = {"name": self.name, "conditioning": sorted(self.conditioning), **chosen}
        return {key: v for key, v in flattened({"model": own}).items() if key not in _OF_TRAINING}

    @classmethod
    def from_json(cls, document: Any, origin: str) -> ModelConfig:
        """What a model was built by, of its ``model.json``.

        One that was written before there were all the keys of today may lack those that came later.
        Raises :class:`SoundloomError` naming ``origin`` where that is not valid.
        """
        known = document.get("config") if isinstance(document, dict) else None
        return cls.parse({"model": _as_of_today(known)}, origin)

    def check_begins(
        self, kind: Mapping[str, Any], base: ModelConfig, its_kind: Mapping[str, Any], where: Path
    ) -> None:
        """Check that a model of this can begin from one of ``base``, which lies at ``where``.

        ``kind`` is of the frames of the one, ``its_kind`` of the other: see
        :meth:`~soundloom.spectral.config.SpectrogramConfig.kind_of_frames`. Raises
        :class:`SoundloomError` naming the parameters by which the two do not fit.
        """
        wanted, given = {**self.architecture(), **kind}, {**base.architecture(), **its_kind}
        # Of another kind of model all else is other, too.
        keys = sorted({*wanted, *given}) if self.name == base.name else ["model.name"]
        faults = [
            f"{key} is {wanted.get(key)} and must be {given.get(key)}"
            for key in keys
            if wanted.get(key) != given.get(key)
        ]
        if faults:
            raise SoundloomError(
                f"training begins from {where} (with model.base: none, from nothing), but "
                + "; ".join(faults)
            )

    @model_validator(mode="after")
    def _agree(self) -> ModelConfig:
        kinds = self.conditioning
        if len(set(kinds)) < len(kinds):
            raise ValueError(f"conditioning is {kinds}; it must name each kind at most once")
        return self


def _as_of_today(known: Any) -> Any:
    """The section as an older version wrote it, with the keys that came later."""
    if not isinstance(known, dict):
        return known
    density = known.get("density")
    if isinstance(density, dict) and not _CAME_LATER_TO_DENSITY.keys() & density.keys():
        known = {**known, "density": {**density, **_CAME_LATER_TO_DENSITY}}
    return {**_CAME_LATER, **known}
