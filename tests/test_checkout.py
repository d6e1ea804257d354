"""The same bytes in every checkout, whatever git is configured to: DVC hashes them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from params import REPOSITORY


@pytest.mark.parametrize("autocrlf", ["true", "input", "false"])
def test_line_endings_are_those_of_the_repository(autocrlf: str, tmp_path: Path) -> None:
    source, clone = tmp_path / "source", tmp_path / "clone"
    source.mkdir()
    texts = {"code.py": b"one = 1\ntwo = 2\n", "params.yaml": b"a: 1\n", "table.csv": b"a,b\n1,2\n"}
    for name, text in texts.items():
        (source / name).write_bytes(text)
    (source / ".gitattributes").write_bytes((REPOSITORY / ".gitattributes").read_bytes())
    identity = ("-c", "user.email=test@example.org", "-c", "user.name=test")
    for command in (("init", "-q"), ("add", "."), (*identity, "commit", "-qm", "first")):
        subprocess.run(["git", *command], cwd=source, check=True)
    subprocess.run(
        ["git", "-c", f"core.autocrlf={autocrlf}", "clone", "-q", source, clone], check=True
    )
    for name, text in texts.items():
        assert (clone / name).read_bytes() == text
