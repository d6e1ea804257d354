"""`make` in folders of any name, also once the project was moved: with programs that only tell."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from params import REPOSITORY

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="make and a shell")

NAMES = ["what? yes", "C#", "My Música", "a;b", "it's", "a&b (1), c", "[x] 日本"]
# Names in which the programs of an environment do not start: pip's scripts, or MLflow from there.
REFUSED = ["100%25", "a:b", "$HOME", 'the "best"', "back\\slash", "`id`"]

# Of folders of music: whatever `make` or a shell could take for something to do or to replace.
FOLDERS = [
    "/music/My Band (live)", "/m/Motörhead, at last [2001]", "it's", '"loud"', "a=b", "x:=y", "#1",
    "$HOME", "$(HOME)", "${x}", "$$", "$", "%", "*", "~", "a;b|c&d", "back\\slash\\", "-live",
    "日本 🎸", "", "trail ", "two\nlines", "$(shell touch run)", "$(error run)", "`touch run`",
    "$(touch run)", '"; touch run; "', "'; touch run; '", "\ntouch run",
]  # fmt: skip

TELLS = """\
#!/bin/sh
echo "told: $(basename "$0") $*"
"""
# Makes an environment of programs that tell, as `python -m venv` would one of those it is given.
MAKES = """\
#!/bin/sh
case "$1 $2" in
    "-c "*) exec "{python}" "$@" ;;
    "-m venv") mkdir -p "$3/bin"; for program in python dvc soundloom; do
        cp "$(dirname "$0")/tells" "$3/bin/$program"; done ;;
esac
echo "told: make $*"
"""


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with a Python that makes such environments, and with all else that `make` needs."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name, text in {"tells": TELLS, "makes": MAKES.format(python=sys.executable)}.items():
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o755)
    # Without uv, should there be one.
    for name in ("sh", "cat", "rm", "cp", "mkdir", "basename", "dirname"):
        (folder / name).symlink_to(shutil.which(name) or name)
    return folder


def project(folder: Path) -> Path:
    """What `make` looks at."""
    folder.mkdir()
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, folder / name)
    return folder


def make(
    folder: Path, programs: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `make`, and its Python."""
    tool = shutil.which("make")
    assert tool is not None
    return subprocess.run(
        [tool, *arguments, "PYTHON=makes"],
        cwd=folder, capture_output=True, text=True, check=False,
        env={"PATH": os.fspath(programs), "BROWSER": "tells %s", "HOME": "/nowhere", **environment},
    )  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_targets_work_in_any_folder(name: str, tmp_path: Path, programs: Path) -> None:
    folder = project(tmp_path / name)
    done = make(folder, programs, "repro")
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stdout.splitlines() if line.startswith("told: ")]
    assert told[0] == "told: make -m venv .venv"
    assert told[-2:] == ["told: soundloom track --waiting", "told: dvc repro"]
    # Set up once, and with the page's address as a browser reads it.
    (folder / ".venv/bin/python").unlink()
    (folder / ".venv/bin/python").symlink_to(sys.executable)
    page = (folder / "reports/listen.html").as_uri()
    printed = make(folder, programs, "listen").stdout.splitlines()
    assert printed[-3:] == ["told: dvc repro report", page, f"told: tells {page}"]


def test_a_folder_of_music_reaches_soundloom_as_it_is_called(
    tmp_path: Path, programs: Path
) -> None:
    folder = project(tmp_path / "project")
    make(folder, programs, "repro")
    (folder / ".venv/bin/soundloom").write_text(
        '#!/bin/sh\n[ "$1" = track ] || printf "%s|%s|%s" "$#" "$1 $2" "$3" >given\n',
        encoding="utf-8",
    )
    (folder / ".venv/bin/touch").symlink_to(shutil.which("touch") or "touch")
    for name in FOLDERS:
        done = make(folder, programs, "repro", f"FOLDER={name}")
        assert done.returncode == 0, done.stderr
        assert (folder / "given").read_text(encoding="utf-8") == f"3|new --|{name.lstrip()}"
        assert done.stdout.splitlines()[-1] == "told: dvc repro"
        assert not (folder / "run").exists(), name
        (folder / "given").unlink()
    # One that the user's shell happens to know is not asked for, which is said.
    for name in FOLDERS:
        done = make(folder, programs, "repro", FOLDER=name, NEW="touch run")
        said = "FOLDER of the environment is not used; this would use it: make repro FOLDER="
        assert done.stderr == (f'{said}"$FOLDER"\n' if name else "")
        assert done.stdout.splitlines()[-1] == "told: dvc repro"
        assert not {"given", "run"} & {path.name for path in folder.iterdir()}
    assert make(folder, programs, "repro").stderr == ""


def test_nothing_runs_for_a_folder_that_cannot_be_used(tmp_path: Path, programs: Path) -> None:
    folder = project(tmp_path / "project")
    make(folder, programs, "repro")
    (folder / ".venv/bin/soundloom").write_text('#!/bin/sh\n[ "$1" = track ]\n', encoding="utf-8")
    done = make(folder, programs, "repro", "FOLDER=/nowhere")
    assert done.returncode != 0
    assert "told: dvc repro" not in done.stdout


@pytest.mark.parametrize("name", REFUSED)
def test_a_name_that_breaks_programs_is_refused_at_once(
    name: str, tmp_path: Path, programs: Path
) -> None:
    folder = project(tmp_path / name)
    done = make(folder, programs, "repro")
    assert done.returncode != 0
    assert done.stderr.splitlines()[0].endswith('one of % : " $ ` \\; rename it')
    assert "told" not in done.stdout
    assert not (folder / ".venv").exists()


def test_a_moved_project_has_its_environment_made_anew(tmp_path: Path, programs: Path) -> None:
    folder = project(tmp_path / "first place")
    make(folder, programs, "repro")
    assert "make -m venv" not in make(folder, programs, "repro").stdout
    (folder / ".venv/left over").touch()
    moved = folder.rename(tmp_path / "second, place")
    assert "make -m venv" in make(moved, programs, "repro").stdout
    assert not (moved / ".venv/left over").exists()
    assert "make -m venv" not in make(moved, programs, "repro").stdout
