"""The repository the project lies in, through the commands of git and DVC."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from soundloom.common.errors import SoundloomError


def ask_git(*arguments: str) -> str | None:
    """What git prints, or None where there is no git, no repository or no such thing in it."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def head() -> str | None:
    """The commit that is checked out, 40 hex digits; None before the first."""
    commit = ask_git("rev-parse", "--verify", "--quiet", "HEAD")
    return commit.strip() if commit else None


def is_dirty(*, but: Sequence[str] = ()) -> bool:
    """Whether a file git tracks differs from the last commit; paths in ``but`` do not count."""
    left_out = [f":(exclude){path}" for path in but]
    return bool(ask_git("status", "--porcelain", "--untracked-files=no", "--", ".", *left_out))


def refusal() -> str | None:
    """Why git will not read this repository, with git's own remedy; None where it does.

    It refuses where the folder belongs to another user (CVE-2022-24765).
    """
    try:
        done = subprocess.run(
            ["git", "rev-parse", "--git-dir"],
            env={**os.environ, "LC_ALL": "C"},
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return None
    if done.returncode == 0 or "safe.directory" not in done.stderr:
        return None
    return " ".join(done.stderr.split())


def check_readable() -> None:
    """Raise :class:`SoundloomError`, with git's own remedy, where git will not read here."""
    if reason := refusal():
        raise SoundloomError(f"git says: {reason}")


def edited_files(folder: Path) -> list[Path]:
    """Files under ``folder`` that are new or differ from the last commit, relative to here."""
    changed = ask_git("diff", "--name-only", "--relative", "-z", "HEAD", "--", str(folder)) or ""
    new = ask_git("ls-files", "--others", "--exclude-standard", "-z", "--", str(folder)) or ""
    paths = map(Path, filter(None, (changed + new).split("\0")))
    return sorted(path for path in paths if path.is_file())


def command(program: str, *arguments: str) -> str:
    """Run a program that must succeed and return what it prints.

    Raises :class:`SoundloomError` with the first paragraph of its complaint when it fails, and when
    it is not there.
    """
    line: Sequence[str] = (program, *arguments)
    try:
        done = subprocess.run(line, capture_output=True, text=True, check=False)
    except OSError as error:
        raise SoundloomError(f"{program} cannot be run: {error.strerror}") from None
    if done.returncode != 0:
        # DVC ends its own with where to ask for help, git with "Aborting".
        complaint = (done.stderr.strip() or done.stdout.strip()).partition("\n\n")[0]
        reason = " ".join(complaint.split()) or f"exit status {done.returncode}"
        raise SoundloomError(f"{' '.join(line[:2])} failed: {reason}")
    return done.stdout
