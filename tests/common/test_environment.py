"""What the code is, in a word: another one for every edit, whoever asks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from soundloom.common import environment
from soundloom.common.environment import code_fingerprint


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of two folders, in the place of this one."""
    for name in ("config.py", "common/environment.py", "audio/files.py", "audio/deep/er.py"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_text(f"# {name}\n", encoding="utf-8")
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "common/environment.py"))
    return tmp_path


CHANGES = {
    "edited": lambda file: file.write_text("# other\n", encoding="utf-8"),
    "renamed": lambda file: file.rename(file.with_name("another.py")),
    "removed": lambda file: file.unlink(),
    "joined": lambda file: file.with_name("beside.py").write_text("", encoding="utf-8"),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(
    ("name", "folders", "are_changed"),
    [
        ("audio/files.py", ["audio"], True),
        ("audio/deep/er.py", ["common", "audio"], True),
        ("audio/files.py", ["common"], False),
        ("config.py", ["common", "audio"], False),
        ("config.py", None, True),
        ("audio/deep/er.py", None, True),
    ],
)
def test_an_edit_is_another_fingerprint_of_the_folders_it_is_in(
    package: Path, change: str, name: str, folders: list[str] | None, are_changed: bool
) -> None:
    before = asked(folders)
    CHANGES[change](package / name)
    assert (asked(folders) != before) is are_changed


def test_order_and_repetition_of_folders_and_what_is_no_code_do_not_count(package: Path) -> None:
    before = code_fingerprint(["common", "audio"])
    assert before == code_fingerprint(["audio", "common", "audio"])
    (package / "audio" / "notes.txt").write_text("no code", encoding="utf-8")
    assert before == code_fingerprint(["common", "audio"])
    assert code_fingerprint(["common"]) != code_fingerprint(["audio"]) != before


def asked(folders: Iterable[str] | None) -> str:
    return code_fingerprint() if folders is None else code_fingerprint(folders)
