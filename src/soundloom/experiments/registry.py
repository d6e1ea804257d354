"""MLflow's registry of models: which run's generator is the champion, and any of them by address.

A model is registered under the experiment's name: ``models:/soundloom@champion``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from soundloom.common.errors import SoundloomError, first_line
from soundloom.experiments.mlflow_model import GENERATOR
from soundloom.experiments.store import RunStore

CHAMPION = "champion"


def promote(store: RunStore, run_id: str) -> str:
    """Register the model of a run, unless it is, and make it the champion; returns its address.

    Raises :class:`SoundloomError` when there is no such run, it has no model, or MLflow refuses.
    """
    from mlflow.exceptions import MlflowException

    model = _model(store, run_id)
    name, client = store.experiment, store.client
    try:
        if not [known for known in client.search_registered_models() if known.name == name]:
            client.create_registered_model(name)
        known = client.search_model_versions(f"run_id = '{run_id}'")
        version = next((one for one in known if one.name == name), None)
        if version is None:
            # By its place: MLflow would look for its id in the store of the environment.
            place = model.artifact_location
            version = client.create_model_version(name, place, run_id, model_id=model.model_id)
        client.set_registered_model_alias(name, CHAMPION, version.version)
    except MlflowException as error:
        raise SoundloomError(
            f"run {run_id!r} cannot be promoted in {store.shown}: {first_line(error)}"
        ) from None
    return f"models:/{name}@{CHAMPION}"


def fetch_generator(store: RunStore, address: str, folder: Path) -> Path:
    """Copy the generator of a model into ``folder``; returns the folder it then lies in.

    ``address`` is ``models:/NAME@ALIAS``, ``models:/NAME/VERSION`` or ``runs:/RUN_ID``; what is
    copied is what ``models/generator`` is. Raises :class:`SoundloomError` when there is no such
    model, or its files cannot be had.
    """
    from mlflow.artifacts import download_artifacts

    try:
        place = f"{_place(store, address)}/artifacts/{GENERATOR}"
        fetched = download_artifacts(place, dst_path=str(folder), tracking_uri=store.uri)
    except SoundloomError:  # which names the run
        raise
    except Exception as error:  # MLflow's, and those of the libraries of servers and clouds
        raise SoundloomError(
            f"{address!r} is not in {store.shown}: {first_line(error)}; "
            f"`soundloom promote RUN_ID` makes models:/{store.experiment}@{CHAMPION}"
        ) from None
    return Path(fetched)


def _model(store: RunStore, run_id: str) -> Any:
    """The model of a run; :class:`SoundloomError` where there is no such run, or none of it."""
    if not (models := store.models(store.run(run_id))):
        raise SoundloomError(
            f"run {run_id!r} holds no model: it did not come to its end, or was recorded before "
            "runs held one; `soundloom restore` it, then `dvc repro`"
        )
    return models[0]


def _place(store: RunStore, address: str) -> str:
    """Where the files of a model lie. Not by MLflow, which asks the store of the environment."""
    client = store.client
    if run := re.fullmatch(r"runs:/(?P<id>\w+)(/.*)?", address):
        return str(_model(store, run["id"]).artifact_location)
    if by_alias := re.fullmatch(r"models:/(?P<name>[^/]+)@(?P<alias>[^/@]+)", address):
        version = client.get_model_version_by_alias(by_alias["name"], by_alias["alias"])
        return client.get_model_version_download_uri(version.name, version.version)
    if by_version := re.fullmatch(r"models:/(?P<name>[^/]+)/(?P<version>\d+)", address):
        return client.get_model_version_download_uri(by_version["name"], by_version["version"])
    raise ValueError("an address is models:/NAME@ALIAS, models:/NAME/VERSION or runs:/RUN_ID")
