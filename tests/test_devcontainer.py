""".devcontainer/: what it sets up is what the project asks for."""

from __future__ import annotations

import json
import re
import tomllib

from params import REPOSITORY


def test_it_has_a_python_that_fits_and_sets_up_by_make() -> None:
    folder = REPOSITORY / ".devcontainer"
    document = json.loads((folder / "devcontainer.json").read_text(encoding="utf-8"))
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lowest, above = re.findall(r"3\.(\d+)", project["requires-python"])
    (minor,) = re.findall(r"/python:3\.(\d+)-", document["image"])
    assert int(lowest) <= int(minor) < int(above)
    make, target, *_ = document["postCreateCommand"].split()
    assert make == "make"
    assert f"\n{target}: $(READY)" in (REPOSITORY / "Makefile").read_text(encoding="utf-8")
