"""The outputs that DVC removed before it ran a stage, which come back when the stage fails.

``dvc.lock`` says what they were. DVC's cache holds them, those that are kept in git as well: it
restores stages from it. ``python -m soundloom.experiments.outputs STAGE EXIT_STATUS`` does it, and
has the run in MLflow of a training say that its pipeline came to no end.
"""

from __future__ import annotations

import hashlib
import shlex
import sys
from contextlib import suppress
from pathlib import Path

from soundloom.common.errors import INTERRUPTED, SoundloomError, run_or_exit
from soundloom.common.io import written_aside
from soundloom.common.params import read_params
from soundloom.common.paths import METRICS_FOLDER, PIPELINE_FILE
from soundloom.experiments.repository import ask_git, command
from soundloom.experiments.restore import is_cached
from soundloom.experiments.store import RunStore
from soundloom.experiments.variant import LOCK_FILE, TRACK_STAGE, read_lock


def put_back(stage: str) -> None:
    """Bring back what ``stage`` put out when it last ran to its end, as far as it is in the cache.

    Raises ``SoundloomError`` when DVC fails.
    """
    if stage == TRACK_STAGE or not LOCK_FILE.exists():  # that one's output is never removed
        return
    cache = Path(command("dvc", "cache", "dir").strip()) / "files" / "md5"
    in_cache = []
    for out in read_lock().get(stage, {}).get("outs", []):
        path, md5 = Path(out["path"]), out["md5"]
        if path.parent == METRICS_FOLDER:
            _put_back_file(path, md5, cache / md5[:2] / md5[2:])
        elif is_cached(md5, cache):
            in_cache.append(out["path"])
    if in_cache:
        print(f"soundloom: bringing back {', '.join(in_cache)}", file=sys.stderr, flush=True)
        try:
            command("dvc", "checkout", "--force", *in_cache)
        except SoundloomError as error:  # such as a disk that is full
            again = f"dvc checkout --force {shlex.join(in_cache)}"
            raise SoundloomError(f"{error}; `{again}` brings back what the cache holds") from None


def _put_back_file(path: Path, md5: str, cached: Path) -> None:
    """From the cache or the last commit, as a file of git's, no link into the cache."""
    content = (
        cached.read_bytes()
        if cached.exists()
        else (ask_git("show", f"HEAD:./{path.as_posix()}") or "").encode()
    )
    if hashlib.md5(content).hexdigest() == md5:
        with written_aside(path) as aside:
            aside.write_bytes(content)


def end_run(stage: str, status: int) -> None:
    """Mark the run that waits for ``stage``, if it comes after training: it ended by ``status``."""
    # A store that could not be told of the training need not be told of its end.
    with suppress(Exception):
        stages = list(read_params(PIPELINE_FILE)["stages"])
        if stages.index(stage) <= stages.index("train"):
            return
        store = RunStore.of_project(create=False)
        store.end_trained("KILLED" if status == INTERRUPTED else "FAILED")


def _main(stage: str, status: str) -> None:
    try:
        put_back(stage)
    finally:
        end_run(stage, int(status))


if __name__ == "__main__":
    run_or_exit(lambda: _main(*sys.argv[1:]))
