"""Bring a variant back from its run in MLflow: its commit, parameters and code, and its outputs.

Nothing is changed until all that is needed is found; uncommitted changes are stashed, not lost.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from soundloom.common.errors import SoundloomError
from soundloom.common.paths import METRICS_FOLDER, PARAMS_FILE
from soundloom.experiments.repository import (
    ask_git,
    check_readable,
    command,
    head,
    is_dirty,
)
from soundloom.experiments.store import RunStore
from soundloom.experiments.variant import LOCK_FILE, PIPELINE_FILE, TRACK_STAGE, read_lock


def restore(store: RunStore, run_id: str, *, rebuild: bool = False) -> str:
    """Bring the variant of a run back into the working directory, the project's root.

    Commit, ``params.yaml``, code that no commit held, metrics, and every output from DVC's cache.
    With ``rebuild``, outputs that the cache lacks are left for ``dvc repro`` to make again.
    Returns a text that says what was done.

    Raises :class:`SoundloomError`, the workspace unchanged, when the run is not a variant of this
    repository or, unless ``rebuild``, when DVC's cache lacks an output; and when git will not read
    the repository.
    """
    check_readable()
    with tempfile.TemporaryDirectory() as name:
        fetched = Path(name)
        commit = store.fetch(run_id, fetched).get("git.commit")
        _check_commit(run_id, commit)
        _check_files(run_id, fetched)
        outs = list(_outs(read_lock(fetched / LOCK_FILE)))
        cache = Path(command("dvc", "cache", "dir").strip()) / "files" / "md5"
        missing = [out for out in outs if not is_cached(out["md5"], cache)]
        if missing and not rebuild:
            listed = ", ".join(f"{out['path']} ({out['md5']})" for out in missing)
            raise SoundloomError(
                f"run {run_id} cannot be restored whole: DVC's cache lacks {listed}; `dvc fetch` "
                "gets it from a remote, --rebuild leaves it to `dvc repro`"
            )
        _check_new_files(fetched / "code")
        done = _go_to(str(commit), run_id)
        _copy(fetched)
    present = [out["path"] for out in outs if out not in missing]
    if present:
        # Only these: a folder of recordings that DVC tracks too is the user's own.
        command("dvc", "checkout", "--force", *present)
    done += f"run {run_id} is restored: params.yaml, dvc.lock and {len(present)} outputs"
    if missing:
        listed = ", ".join(out["path"] for out in missing)
        done += f"\n`dvc repro` makes what DVC's cache lacks: {listed}"
    return done


def _check_commit(run_id: str, commit: str | None) -> None:
    if commit is None:
        raise SoundloomError(f"run {run_id} was made outside git: its code is not known")
    if ask_git("cat-file", "-e", f"{commit}^{{commit}}") is None:
        raise SoundloomError(
            f"run {run_id} was made from commit {commit}, which is not in this repository"
        )


def _check_files(run_id: str, fetched: Path) -> None:
    needed = (PARAMS_FILE, PIPELINE_FILE, LOCK_FILE, METRICS_FOLDER)
    if lacking := [str(path) for path in needed if not (fetched / path).exists()]:
        raise SoundloomError(
            f"run {run_id} cannot be restored: its files in MLflow lack {', '.join(lacking)}"
        )


def _outs(stages: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Outputs, of all stages, that DVC caches: metrics, which the run has, and receipt left out."""
    for name, stage in stages.items():
        if name != TRACK_STAGE:
            yield from (out for out in stage["outs"] if Path(out["path"]).parent != METRICS_FOLDER)


def is_cached(md5: str, cache: Path) -> bool:
    """Whether DVC's cache holds a file, or a folder (``….dir``) and every file of it."""
    file = cache / md5[:2] / md5[2:]
    if not file.is_file() or not md5.endswith(".dir"):
        return file.is_file()
    listing = json.loads(file.read_text(encoding="utf-8"))
    return all(is_cached(entry["md5"], cache) for entry in listing)


def _check_new_files(code: Path) -> None:
    """Refuse to write over a file that git does not know and the run has another version of."""
    for file in sorted(file for file in code.rglob("*") if file.is_file()):
        place = file.relative_to(code)
        untracked = ask_git("ls-files", "--error-unmatch", "--", str(place)) is None
        if untracked and place.exists() and place.read_bytes() != file.read_bytes():
            raise SoundloomError(
                f"{place} is not committed, and the run has another version of it; "
                "commit or move it first"
            )


def _go_to(commit: str, run_id: str) -> str:
    """Stash what is not committed and check the commit out; returns lines that say so."""
    done, stashed = "", is_dirty()
    if stashed:
        message = f"before soundloom restore {run_id}"
        command("git", "stash", "push", "--quiet", "--message", message)
        done += "what was not committed is stashed: `git stash pop` brings it back\n"
    if commit != head():
        try:
            command("git", "checkout", "--quiet", "--detach", commit)
        except SoundloomError:  # such as a new file in the way
            if stashed:
                command("git", "stash", "pop", "--quiet")
            raise
        done += f"commit {commit} is checked out\n"
    return done


def _copy(fetched: Path) -> None:
    """Copy what the run holds of the workspace's own files to their places."""
    for file in (PARAMS_FILE, PIPELINE_FILE, LOCK_FILE):
        shutil.copyfile(fetched / file, file)
    METRICS_FOLDER.mkdir(exist_ok=True)
    shutil.copytree(fetched / "metrics", METRICS_FOLDER, dirs_exist_ok=True)
    if (fetched / "code").is_dir():
        shutil.copytree(fetched / "code", ".", dirs_exist_ok=True)
