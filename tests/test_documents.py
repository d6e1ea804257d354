"""What the docs tell people to type does what they say."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import yaml

from params import REPOSITORY


def test_paths_that_need_quotes_are_read_by_dvc_as_they_are_meant(tmp_path: Path) -> None:
    from dvc.utils.hydra import apply_overrides

    file = tmp_path / "params.yaml"
    text = (REPOSITORY / "docs/recordings.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"`-S ('dataset\.folder\.path=.+?')`", text)
    file.write_text("dataset: {folder: {path: data/recordings}}\n", encoding="utf-8")
    apply_overrides(str(file), shlex.split(example))
    path = yaml.safe_load(file.read_text(encoding="utf-8"))["dataset"]["folder"]["path"]
    assert path == "/music/Motörhead, live"


def test_the_hours_that_the_base_has_heard_are_those_of_its_table() -> None:
    text = (REPOSITORY / "models" / "base" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\w-]+)( \(validation\))? \| \d+ \| ([\d.]+) \|", text, re.MULTILINE)
    assert len(rows) == text.count("\n|") - 2
    hours = {"": 0.0, " (validation)": 0.0}
    for _, part, minutes in rows:
        hours[part] += float(minutes) / 60
    heard, held_out = (f"{whole:.1f}" for whole in hours.values())
    assert f"of these packages, {heard} hours" in text
    assert f"{held_out} hours more" in text
    # Of the weights in git it is not all.
    of_weights = f"have heard 25 of the {heard} hours"
    assert of_weights in text
    document = (REPOSITORY / "docs" / "base.md").read_text(encoding="utf-8")
    assert of_weights in document
    assert f"{held_out} more\nwere for validation" in document
    for name in ("docs/base.md", "README.md", "params.yaml"):
        assert "25 hours" in (REPOSITORY / name).read_text(encoding="utf-8")
