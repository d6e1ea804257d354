"""One variant of the pipeline, as its files lie in the workspace: what a run in MLflow holds.

``dvc.lock`` identifies a variant: it has the commands, parameters, data and code of every stage, as
hashes. The fingerprint of a variant is the same whether DVC ran it, restored it or applied it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from soundloom.common.errors import SoundloomError, warn
from soundloom.common.io import read_json, read_rows
from soundloom.common.params import flattened, parse_yaml, read_params, that_count
from soundloom.common.paths import (
    EVALUATED_FOLDER,
    EXPLORE_FOLDER,
    GENERATED_FOLDER,
    GENERATOR_FOLDER,
    HISTORY_FILE,
    LISTEN_FILE,
    METRICS_FOLDER,
    PARAMS_FILE,
    PIPELINE_FILE,
)
from soundloom.corpus.files import read_manifest
from soundloom.experiments.mlflow_model import GENERATOR, MODEL_FOLDER
from soundloom.experiments.repository import ask_git, edited_files, head, is_dirty, refusal

LOCK_FILE = Path("dvc.lock")
SOURCE_FOLDER, REQUIREMENTS_FILE = Path("src"), Path("requirements.lock")
# The stage that records a variant is not part of it.
TRACK_STAGE = "track"
_METRICS_OF = ("explore", "spectrogram", "train", "generate", "reference", "evaluate")
# Folder in MLflow → what it holds. MLflow's page shows files of several runs side by side when they
# have the same name and are in no folder: so the samples are in none.
_ARTIFACTS = {
    "": [PARAMS_FILE, PIPELINE_FILE, LOCK_FILE, LISTEN_FILE, GENERATED_FOLDER / "samples"],
    "prompts": [GENERATED_FOLDER / "prompts"],
    "real": [GENERATED_FOLDER / "real"],
    "spectrograms": [GENERATED_FOLDER / "spectrograms"],
    "explore": [EXPLORE_FOLDER],
    "evaluated": [EVALUATED_FOLDER],
    "metrics": [METRICS_FOLDER],
}


@dataclass(frozen=True)
class Dataset:
    """The clips a variant was made from."""

    name: str
    digest: str
    """DVC's hash of ``data/raw``."""


@dataclass(frozen=True)
class Description:
    """What is known of a variant before it has run."""

    name: str
    """What its parameters change, and the experiment's name, for people."""
    params: Mapping[str, str]
    """Flattened: ``train.epochs``."""
    tags: Mapping[str, str]
    changes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Parameters that differ from the last commit's: ``{"train.epochs": ("18", "10")}``."""

    @property
    def attempt(self) -> str:
        """The same for every try at running the same parameters on the same commit."""
        attempt = [dict(self.params), self.tags.get("git.commit")]
        return _sha256(attempt)


@dataclass(frozen=True)
class Variant:
    """Everything worth keeping of one variant."""

    fingerprint: str
    """sha256 of its stages' entries in ``dvc.lock``."""
    description: Description
    metrics: Mapping[str, float]
    """Flattened: ``train/val_loss``."""
    history: tuple[Mapping[str, float], ...]
    """A row an epoch."""
    dataset: Dataset
    artifacts: tuple[tuple[str, Path], ...]
    """(folder in MLflow, file here)."""
    stages: Mapping[str, str]
    """Hash of every stage's entry in ``dvc.lock``: equal for two variants that share the stage."""
    workspace: Path
    """Where it was made: the project's root, or one of DVC's temporary workspaces."""
    warning: str = ""
    """What its training warned of, if anything."""
    in_words: str = ""
    """How good its training says the model is."""


def describe() -> Description:
    """Describe the variant in the working directory, the project's root, whether it ran or not."""
    flat = {key: str(value) for key, value in that_count(read_params()).items()}
    tags, changes = _git_tags(), _changes(flat)
    name = _short(changes, flat) or _baseline(tags)
    if experiment := os.environ.get("DVC_EXP_NAME"):
        tags["dvc.experiment"] = experiment
        name = f"{name} ({experiment})" if changes else experiment
    return Description(name=name, params=flat, tags=tags, changes=changes)


def read_variant() -> Variant:
    """Read the variant in the working directory, the project's root.

    Raises :class:`SoundloomError` when the pipeline has not been run to its end there.
    """
    manifest = read_manifest()
    metrics = {stage: read_json(METRICS_FOLDER / f"{stage}.json") for stage in _METRICS_OF}
    stages = {name: stage for name, stage in read_lock().items() if name != TRACK_STAGE}
    (raw,) = stages["download"]["outs"]
    return Variant(
        fingerprint=_sha256(stages),
        description=describe(),
        dataset=Dataset(f"{manifest.genre} ({manifest.source})", raw["md5"]),
        metrics={
            key: float(value) for key, value in flattened(metrics, "/").items() if _is_number(value)
        },
        history=tuple(read_rows(HISTORY_FILE)),
        artifacts=tuple(_artifacts()),
        stages={name: _sha256(stage) for name, stage in stages.items()},
        workspace=Path.cwd(),
        warning=metrics["train"].get("warning", ""),
        in_words=metrics["train"].get("in_words", ""),
    )


def _sha256(document: Any) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def read_lock(file: Path = LOCK_FILE) -> dict[str, Any]:
    """Entries of the stages in a ``dvc.lock``; :class:`SoundloomError` when it holds none."""
    try:
        # By PyYAML's parser in C, where it is there: one in Python takes seconds.
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        document = yaml.load(file.read_text(encoding="utf-8"), loader)
    except FileNotFoundError:
        raise SoundloomError(f"{file}: no such file; `dvc repro` makes it") from None
    except yaml.YAMLError:  # such as git's marks of a merge conflict
        raise SoundloomError(f"{file}: not valid YAML; `dvc repro` makes it anew") from None
    stages = document.get("stages") if isinstance(document, dict) else None
    if not stages or "download" not in stages:
        raise SoundloomError(f"{file}: holds no pipeline; `dvc repro` makes it anew")
    return stages


def _artifacts() -> Iterator[tuple[str, Path]]:
    for folder, paths in _ARTIFACTS.items():
        for path in paths:
            if path.is_dir():
                yield from ((folder, file) for file in sorted(path.rglob("*")) if file.is_file())
            elif path.exists():
                yield folder, path
    if GENERATOR_FOLDER.exists():
        yield from _of_model()
    # Code that is in no commit: without it the variant could not be restored.
    for path in edited_files(SOURCE_FOLDER):
        yield f"code/{path.parent.as_posix()}", path


def _of_model() -> Iterator[tuple[str, Path]]:
    """What :func:`soundloom.experiments.mlflow_model.save_model` makes a model of."""
    yield from (
        (f"{MODEL_FOLDER}/{GENERATOR}", file) for file in sorted(GENERATOR_FOLDER.iterdir())
    )
    for file in sorted((SOURCE_FOLDER / "soundloom").rglob("*")):
        if file.is_file() and file.suffix != ".pyc":
            yield f"{MODEL_FOLDER}/code/{file.parent.relative_to(SOURCE_FOLDER).as_posix()}", file
    yield MODEL_FOLDER, REQUIREMENTS_FILE


def _changes(params: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """What differs from the last commit's params, (there, here), by key."""
    committed = ask_git("show", f"HEAD:./{PARAMS_FILE}")
    if committed is None:
        return {}
    before = {key: str(value) for key, value in that_count(parse_yaml(committed)).items()}
    return {
        key: (before[key], value)
        for key, value in params.items()
        if before.get(key, value) != value
    }


def _short(changes: Mapping[str, Sequence[str]], params: Mapping[str, str]) -> str:
    """``temperature 0.61, lstm.units 64``: keys by as much of their ends as no other has."""

    def shortest(key: str) -> str:
        others, end = [f".{other}" for other in params if other != key], ""
        for part in reversed(key.split(".")):
            end = f".{part}{end}"
            if not any(other.endswith(end) for other in others):
                break
        return end[1:]

    return ", ".join(f"{shortest(key)} {now}" for key, (_, now) in changes.items())


def _baseline(tags: Mapping[str, str]) -> str:
    """``baseline 0123abc``: parameters as committed."""
    return f"baseline {tags.get('git.commit', '')[:7]}".strip()


def _git_tags() -> dict[str, str]:
    """The commit, and whether code or parameters differ from it; what DVC writes is no edit."""
    if reason := refusal():
        warn(f"the commit is not recorded; git says: {reason}")
    commit = head()
    if not commit:
        return {}
    dirty = is_dirty(but=(METRICS_FOLDER.as_posix(), LOCK_FILE.as_posix()))
    return {"git.commit": commit, "git.dirty": str(dirty).lower()}
