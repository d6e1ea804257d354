"""The scripts of ``base/accelerator``: what they are told."""

from __future__ import annotations

from pathlib import Path

from params import REPOSITORY, write_params
from scripts import load_script
from soundloom.models.config import ModelConfig


def test_options_are_read_and_those_not_given_are_as_the_script_has_them(tmp_path: Path) -> None:
    options = load_script("base/accelerator/options.py").Options
    out = tmp_path / "made" / "out"
    given = options.of("Trains.", ["bundle", str(out)], seconds=20.0, batch=8)
    assert (given.bundle, given.out, given.seconds, given.batch) == (Path("bundle"), out, 20.0, 8)
    assert given.config == ModelConfig.load(REPOSITORY / "base" / "params.yaml")
    assert out.is_dir()
    own = write_params(tmp_path, {"model.backbone.units": 17})
    told = ["bundle", str(out), "--params", str(own), "--seconds", "1.5", "--batch", "3"]
    given = options.of("Trains.", told, seconds=20.0, batch=8)
    assert (given.config.backbone.units, given.seconds, given.batch) == (17, 1.5, 3)


def test_no_script_that_trains_has_options_of_its_own() -> None:
    for name in ("density.py", "texture.py"):
        text = (REPOSITORY / "base" / "accelerator" / name).read_text(encoding="utf-8")
        assert "Options.of(__doc__, " in text
        assert "argparse" not in text
