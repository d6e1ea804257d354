"""The models the page offers: the project's own, and those of runs in MLflow."""

from __future__ import annotations

from pathlib import Path

from soundloom.common.errors import SoundloomError
from soundloom.experiments.registry import fetch_generator
from soundloom.experiments.store import RunStore
from soundloom.generation.files import own_model


class Models:
    """Models by the id of their run; "" is the project's own."""

    def __init__(self, folder: Path):
        """Models of runs are copied into ``folder`` as they are asked for."""
        self._folder = folder

    def runs(self) -> dict[str, str]:
        """Name of every run with a model by its id, the latest first.

        Raises :class:`SoundloomError` where there is no store, or it cannot be read.
        """
        return _store().names()

    def find(self, run_id: str) -> tuple[Path, str]:
        """The folder a model is in, and its name.

        Raises :class:`SoundloomError` when there is no such run, or its files cannot be had.
        """
        if not run_id:
            return own_model(), own_model().as_posix()
        store = _store()
        name = store.names().get(run_id)
        if name is None:
            raise SoundloomError(f"run {run_id!r} holds no finished variant in {store.shown}")
        copies = self._folder / run_id
        copies.mkdir(parents=True, exist_ok=True)
        return fetch_generator(store, f"runs:/{run_id}", copies), name


def _store() -> RunStore:
    return RunStore.of_project(create=False)
