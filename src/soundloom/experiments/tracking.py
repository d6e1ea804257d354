"""Record variants in MLflow without ever failing the pipeline: what cannot be recorded waits."""

from __future__ import annotations

from pathlib import Path

from soundloom.common.errors import first_line, warn
from soundloom.experiments.spool import Spool
from soundloom.experiments.store import RunStore
from soundloom.experiments.variant import Variant


def track(root: Path, variant: Variant) -> bool:
    """Record a variant in the store of the repository at ``root``, then those that wait there.

    Returns whether the variant is recorded. One that is not waits, with a warning.
    """
    trouble = _record(root, variant)
    if trouble is not None:
        warn(f"not recorded in MLflow ({trouble}); {_keep(root, variant)}")
        return False
    Spool(root).drop(variant)
    track_waiting(root)
    return True


def track_waiting(root: Path) -> bool:
    """Record the variants that wait; returns False, with a warning, when MLflow still fails."""
    spool = Spool(root)
    for variant in spool.waiting():
        trouble = _record(root, variant)
        if trouble is not None:
            warn(f"earlier variants still wait to be recorded in MLflow ({trouble})")
            return False
        spool.drop(variant)
    return True


def _record(root: Path, variant: Variant) -> str | None:
    """Record a variant and print its run; returns what went wrong, in one line, or None."""
    try:
        store = RunStore(root, variant.description.params["track.experiment"])
        run_id = store.record(variant)
        name = store.name(run_id)
    except Exception as error:  # MLflow, SQLAlchemy and requests each raise their own
        return first_line(error)
    print(f"MLflow run {run_id} ({name})")
    return None


def _keep(root: Path, variant: Variant) -> str:
    """Have the variant wait; returns what to say of it."""
    try:
        Spool(root).keep(variant)
    except (OSError, UnicodeError) as error:  # the latter: the project's path is not UTF-8
        return f"nor could it be set aside ({error}): `soundloom track` here tries again"
    return "it is kept until the next variant is recorded, or `soundloom track` is called"
