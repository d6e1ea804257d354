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
