"""A model as the beginning of another: what may differ, and what does not fit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from params import REPOSITORY, small_config
from recordings import music
from signals import RATE_HZ
from small_models import batches, built, small_codec, whole_config
from soundloom.common.errors import SoundloomError
from soundloom.common.params import read_params, with_keys
from soundloom.config import Config
from soundloom.spectral.codec import FrameCodec

pytestmark = pytest.mark.slow


CONFIG = whole_config("density")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = built(CONFIG)
    from soundloom.models.files import save_generator

    folder = tmp_path_factory.mktemp("models") / "base"
    folder.mkdir()
    save_generator(folder, model, small_codec(), CONFIG)
    return folder


def begun(folder: Path, config: Any, codec: FrameCodec | None = None) -> Any:
    from soundloom.models.files import load_base

    return load_base(folder, config, codec or small_codec())


def test_what_is_of_training_alone_may_differ(base: Path) -> None:
    changes = {"dropout": 0.5, "crop_frames": 16}
    backbone = CONFIG.backbone.model_copy(update=changes)
    model = begun(base, CONFIG.model_copy(update={"backbone": backbone}))
    windows = next(iter(batches("train").epoch(0)))
    steps = model.example(windows, training=True, rng=np.random.default_rng(0)).inputs[0]
    assert steps.shape[1] == 8


def test_latents_go_where_the_new_recordings_have_been(base: Path) -> None:
    model = begun(base, CONFIG)
    before = model.arrays()["extremes"]
    loud = [1.5 * windows for windows in batches("train").epoch(0)]

    class Louder:
        def epoch(self, number: int) -> Any:
            return iter(loud)

    assert np.abs(model.adapted(CONFIG, Louder()).arrays()["extremes"] - before).max() > 0.01
    same = model.adapted(CONFIG, batches("train", seed=0)).arrays()["extremes"]
    np.testing.assert_allclose(same, before, rtol=1e-5)


@pytest.mark.parametrize(
    ("section", "key", "value", "match"),
    [
        ("backbone", "units", 25, r"base \(.*, but model\.backbone\.units is 25 and must be 24$"),
        ("latents", "n_latents", 3, r", but model\.latents\.n_latents is 3 and must be \d+$"),
        ("density", "together", 2, r", but model\.density\.together is 2 and must be 4$"),
    ],
)
def test_another_architecture_is_refused_by_its_key(
    base: Path, section: str, key: str, value: int, match: str
) -> None:
    changed = getattr(CONFIG, section).model_copy(update={key: value})
    with pytest.raises(SoundloomError, match=match):
        begun(base, CONFIG.model_copy(update={section: changed}))


def test_all_that_differs_is_named_and_of_another_kind_of_model_only_that(base: Path) -> None:
    backbone = CONFIG.backbone.model_copy(update={"units": 25, "layers": 2})
    kinds = ["style", "beat_clock"]
    changed = CONFIG.model_copy(update={"backbone": backbone, "conditioning": kinds})
    layers = r"model\.backbone\.layers is 2 and must be 1"
    units = r"model\.backbone\.units is 25 and must be 24"
    kinds_said = r"model\.conditioning is \['beat_clock', 'style'\] and must be \[.*'style'\]"
    said = rf"^training begins from .*, but {layers}; {units}; {kinds_said}$"
    with pytest.raises(SoundloomError, match=said):
        begun(base, changed)
    with pytest.raises(SoundloomError, match=r", but model\.name is lstm and must be density$"):
        begun(base, CONFIG.model_copy(update={"name": "lstm"}))


def test_frames_of_another_kind_are_refused(base: Path) -> None:
    known = small_codec().config.model_dump() | {"range_db": 60.0, "griffin_lim_iterations": 3}
    config = small_config({f"spectrogram.{key}": value for key, value in known.items()})
    ranges = [FrameCodec.level_range(music(8, RATE_HZ), config.spectrogram, RATE_HZ)]
    codec = FrameCodec.fit(ranges, config.spectrogram, RATE_HZ)
    with pytest.raises(
        SoundloomError, match=r", but spectrogram\.range_db is 60\.0 and must be 80\.0$"
    ):
        begun(base, CONFIG, codec)


def test_the_base_in_git_is_what_its_pipeline_describes() -> None:
    from soundloom.models.files import load_generator, read_model_config

    folder = REPOSITORY / "models" / "base"
    file = REPOSITORY / "base" / "params.yaml"
    described = Config.parse(read_params(file), str(file))
    _, codec = load_generator(folder)
    assert codec.config == described.spectrogram
    assert read_model_config(folder).architecture() == described.model.architecture()
    # With what the document says to set, the project's own parameters are the base's.
    text = (REPOSITORY / "docs" / "base.md").read_text(encoding="utf-8")
    given = re.findall(r"-S '?([\w.]+)=([^\s']+)", text)
    changes = {key: yaml.safe_load(value) for key, value in given}
    assert changes["model.base"] == "pretrained"
    document = with_keys(read_params(REPOSITORY / "params.yaml"), changes)
    config = Config.parse(document, "params.yaml")
    assert config.model.architecture() == described.model.architecture()
    default = config.spectrogram
    for key in codec.kind_of_frames():
        section, name = key.split(".")
        if section == "spectrogram":
            assert getattr(default, name) == getattr(codec.config, name), key
