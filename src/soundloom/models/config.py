"""The section ``model``: which model, and a section for each."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from soundloom.common.params import Section, flattened

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

    @model_validator(mode="after")
    def _agree(self) -> ModelConfig:
        kinds = self.conditioning
        if len(set(kinds)) < len(kinds):
            raise ValueError(f"conditioning is {kinds}; it must name each kind at most once")
        return self
