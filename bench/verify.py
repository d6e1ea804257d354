"""Can the last commit be rebuilt? ``python bench/verify.py``: two fresh clones, whole pipelines.

The clones share nothing, neither data nor DVC's cache. What differs between them is a fault (status
1). What differs from the committed ``dvc.lock`` and ``metrics/`` (status 3) need not be: another
kind of processor or number of threads gives other last digits.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import yaml

from soundloom.common.errors import SoundloomError, run_or_exit
from soundloom.common.io import read_json, write_text
from soundloom.common.params import flattened, read_params, with_keys

BETWEEN_CLONES, FROM_COMMIT = 1, 3
# A second place and setting, of those that must not matter.
CLONES: dict[str, dict[str, str]] = {
    "first": {},
    "second, elsewhere": {"TZ": "Pacific/Kiritimati", "LC_ALL": "C", "PYTHONHASHSEED": "7"},
}


def differences(one: Path, other: Path) -> Iterator[str]:
    """What two projects, or what was kept of them, hold differently: outputs, then numbers."""
    ours, theirs = (_outs(folder) for folder in (one, other))
    for path in sorted({*ours, *theirs}):
        if ours.get(path) != theirs.get(path):
            yield f"{path}: {ours.get(path)} here, {theirs.get(path)} there"
    names = {file.name for folder in (one, other) for file in folder.glob("metrics/*.json")}
    for name in sorted(names):
        mine, its = (_numbers(folder / "metrics" / name) for folder in (one, other))
        for key in sorted({*mine, *its}):
            if mine.get(key) != its.get(key):
                yield f"metrics/{name}: {key} is {mine.get(key)} here, {its.get(key)} there"


def _outs(project: Path) -> Mapping[str, str]:
    """Hash of every output, by path, but of numbers and of the record of what MLflow was told."""
    lock = yaml.safe_load((project / "dvc.lock").read_text(encoding="utf-8"))
    return {
        out["path"]: out["md5"]
        for name, stage in lock["stages"].items()
        for out in stage["outs"]
        if name != "track" and not Path(out["path"]).match("metrics/*.json")
    }


def _numbers(file: Path) -> Mapping[str, object]:
    return flattened(read_json(file)) if file.is_file() else {}


def rebuild(source: Path, clone: Path, changes: Mapping[str, str], model: str | None) -> Path:
    """Clone the repository at ``source`` and run its pipeline, whatever was run before.

    Returns a folder beside the clone with ``dvc.lock`` and ``metrics/`` as they were committed.
    """
    subprocess.run(["git", "clone", "--quiet", source, clone], check=True)
    committed = clone.with_name(f"{clone.name} as committed")
    committed.mkdir()
    if (clone / "dvc.lock").exists():
        shutil.copy(clone / "dvc.lock", committed)
        shutil.copytree(clone / "metrics", committed / "metrics")
    if model:
        params = with_keys(read_params(clone / "params.yaml"), {"model.name": model})
        write_text(clone / "params.yaml", yaml.safe_dump(params, sort_keys=False))
    # Nobody's store but the clone's own, and the environment that runs this.
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "MLFLOW_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["dvc", "repro", "--force", "--no-run-cache"],
        cwd=clone, env={**kept, "PATH": path, **changes}, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise SoundloomError(f"dvc repro failed in {clone}, with status {done.returncode}")
    return committed


def verify(source: Path, work: Path, model: str | None) -> int:
    """Rebuild twice in ``work``, print what differs; returns the exit status."""
    clones = [work / name for name in CLONES]
    committed, _ = (rebuild(source, work / name, CLONES[name], model) for name in CLONES)
    title = model or "as committed"
    if found := list(differences(*clones)):
        print(f"\n{title}: two clones differ:", *found, sep="\n  ")
        return BETWEEN_CLONES
    print(f"\n{title}: two clones are equal, in {len(_outs(clones[0]))} outputs and all metrics")
    if model or not (committed / "dvc.lock").exists():
        return 0
    if found := list(differences(clones[0], committed)):
        print("but not to the commit, perhaps of another kind of processor:", *found, sep="\n  ")
        return FROM_COMMIT
    print("and to the commit")
    return 0


def main(arguments: Sequence[str] | None = None) -> None:
    """Verify the repository in the working directory."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--models", nargs="+", default=[None], metavar="NAME",
        help="with other models, compared between clones alone (default: params.yaml as it is)",
    )  # fmt: skip
    models = parser.parse_args(arguments).models

    def run() -> None:
        statuses = []
        for model in models:
            with tempfile.TemporaryDirectory(prefix="verify-") as work:
                statuses.append(verify(Path.cwd(), Path(work), model))
        found = [status for status in (BETWEEN_CLONES, FROM_COMMIT) if status in statuses]
        sys.exit(found[0] if found else 0)

    run_or_exit(run)


if __name__ == "__main__":
    main()
