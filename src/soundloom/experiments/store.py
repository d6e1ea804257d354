"""The runs in MLflow: one for each variant, found by fingerprint or parameters, written whole.

The store is ``mlflow.db`` and ``mlartifacts/`` in the main repository, also when a variant was made
in one of DVC's temporary workspaces, and after the repository was moved or copied;
``MLFLOW_TRACKING_URI`` names another.
"""

from __future__ import annotations

import os
import re
import shlex
import sqlite3
import tempfile
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from filelock import FileLock

from soundloom.common.errors import SoundloomError, first_line, without_credentials
from soundloom.common.params import read_params
from soundloom.common.paths import PARAMS_FILE, main_root
from soundloom.experiments.config import TrackConfig
from soundloom.experiments.live_run import (
    ATTEMPT_TAG,
    DESCRIPTION_TAG,
    HIDDEN,
    HISTORY_TAG,
    WORKSPACE_TAG,
    LiveRun,
    epoch_metrics,
    history_digest,
    is_orphaned,
    live_tags,
    metric,
    writing_tags,
)
from soundloom.experiments.mlflow_model import GENERATOR, MODEL_FOLDER, save_model
from soundloom.experiments.mlflow_setup import set_up_mlflow
from soundloom.experiments.places import (
    artifacts_uri,
    bring_along,
    database_path,
    local_folder,
    own_uri,
    whole_uri,
)
from soundloom.experiments.summary import summary
from soundloom.experiments.variant import Dataset, Description, Variant

FINGERPRINT_TAG = f"{HIDDEN}.fingerprint"
_MAX_NAME_LENGTH = 250


@dataclass(frozen=True)
class FinishedRun:
    """What the store holds of a variant."""

    run_id: str
    metrics: Mapping[str, float]
    """The last value of each."""


class RunStore:
    """An MLflow experiment and its runs."""

    def __init__(self, root: Path, experiment: str, *, create: bool = True):
        """Open the store of the repository at ``root``, creating store and experiment at need.

        Without ``create``, for who only reads, nothing is created; ``experiment_id`` is "" where
        there is no such experiment.

        Raises :class:`SoundloomError` when the store cannot be opened, is not there, is of another
        version of MLflow or a server that does not answer, and when the experiment was deleted or
        keeps its files outside the project.
        """
        set_up_mlflow()
        from mlflow import MlflowClient

        named = os.environ.get("MLFLOW_TRACKING_URI")
        self.experiment = experiment
        self.uri = whole_uri(named, root) if named else own_uri(root)
        database = database_path(self.uri)
        # For messages.
        self.shown = without_credentials(str(database or self.uri))
        if named:
            self.shown += " (from MLFLOW_TRACKING_URI)"
        (root / ".dvc" / "tmp").mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(root / ".dvc" / "tmp" / "mlflow.lock")
        # Processes that create one database at once would each run its migrations.
        with self._lock:
            if database:
                _check_database(database, self.shown, create)
            # Absolute: MLflow's default is relative to whichever process is the first.
            location = artifacts_uri(root) if database else None
            try:
                if not named:
                    bring_along(root)
                self.client = MlflowClient(self.uri)
                found = self.client.get_experiment_by_name(experiment)
                self.experiment_id = found.experiment_id if found is not None else ""
                if found is None and create:
                    self.experiment_id = self.client.create_experiment(experiment, location)
            except Exception as error:  # MLflow, SQLAlchemy and Alembic each raise their own
                raise SoundloomError(_explained(error, self.uri, self.shown)) from None
        if found is not None and found.lifecycle_stage == "deleted":
            raise SoundloomError(
                f"track.experiment is {experiment!r}, which was deleted on MLflow's page of "
                f"{self.shown}; name another, or restore it: MLFLOW_TRACKING_URI="
                f"{_in_shell(self.uri)} mlflow experiments restore --experiment-id "
                f"{found.experiment_id}"
            )
        if found is not None and database:
            _check_place(found, None if named else root)

    @classmethod
    def of_project(cls, *, create: bool = True) -> Self:
        """The store of the project that is worked in, with the experiment its params.yaml names."""
        return cls(main_root(), TrackConfig.load().experiment, create=create)

    def find(self, fingerprint: str) -> str | None:
        """Id of the finished run of a variant, or None."""
        found = self._ids({FINGERPRINT_TAG: fingerprint}, "= 'FINISHED'")
        return found[0] if found else None

    def find_latest(self, params: Mapping[str, str]) -> FinishedRun | None:
        """The latest finished run with all of ``params``, or None."""
        for run in self._finished():
            if params.items() <= run.data.params.items():
                return FinishedRun(run.info.run_id, run.data.metrics)
        return None

    def names(self) -> dict[str, str]:
        """Name of every finished variant's run by its id, the latest first."""
        variants = (run for run in self._finished() if FINGERPRINT_TAG in run.data.tags)
        return {run.info.run_id: run.info.run_name for run in variants}

    def _finished(self) -> list[Any]:
        """All finished runs, the latest first."""
        status = "attributes.status = 'FINISHED'"
        return list(self.client.search_runs([self.experiment_id], status, max_results=50_000))

    def name(self, run_id: str) -> str:
        """The run's name: that of the first experiment that made its variant."""
        return self.client.get_run(run_id).info.run_name

    def run(self, run_id: str) -> Any:
        """The run; :class:`SoundloomError` when the store has no such run."""
        from mlflow.exceptions import MlflowException

        try:
            return self.client.get_run(run_id)
        except MlflowException as error:
            raise SoundloomError(
                f"run {run_id!r} is not in {self.shown}: {first_line(error)}"
            ) from None

    def models(self, run: Any) -> list[Any]:
        """The models of a run: one of a variant's, none of others."""
        own = f"source_run_id = '{run.info.run_id}'"
        return list(self.client.search_logged_models([run.info.experiment_id], own))

    def fetch(self, run_id: str, folder: Path) -> Mapping[str, str]:
        """Copy the files of a variant's run into ``folder``; returns the run's tags.

        Raises :class:`SoundloomError` when the store has no such run, or it is not a variant's.
        """
        run = self.run(run_id)
        if run.info.status != "FINISHED":
            raise SoundloomError(f"run {run_id!r} holds no finished variant")
        place = run.info.artifact_uri
        try:
            self.client.download_artifacts(run_id, "", str(folder))
        except Exception as error:  # MLflow's, and those of the libraries of servers and clouds
            raise SoundloomError(
                f"files of run {run_id!r} cannot be had from {place}: {first_line(error)}"
            ) from None
        if not any(folder.iterdir()):
            raise SoundloomError(
                f"run {run_id!r} is in {self.shown}, but its files are not in "
                f"{local_folder(place) or place}; put back what belongs there"
            )
        return run.data.tags

    def start_live(self, description: Description) -> LiveRun:
        """Start a run for a training that begins in the working directory.

        Runs of earlier tries at the same that did not train to their end are deleted.
        """
        with self._lock:
            self._end_orphans()
            self._end(*self._ids({WORKSPACE_TAG: str(Path.cwd())}, "= 'RUNNING'"))
            self._delete(*self._half_trained(description))
            run_id = self._create(description, live_tags(description))
        return LiveRun(self.client, run_id)

    def end_trained(self, status: str) -> None:
        """Mark the run trained in the working directory as ``FAILED`` or ``KILLED``.

        Its pipeline came to no end. If that goes on, :meth:`record` completes the run nevertheless.
        """
        with self._lock:
            self._end(*self._trained(Path.cwd()), status=status)

    def record(self, variant: Variant) -> str:
        """Write a variant as one run, unless it has one; returns the run's id.

        A live run of its training and parameters, if there is one, becomes the variant's. One
        process of a machine writes at a time, so that two processes with the same variant do not
        both write it; what processes killed midway left behind is deleted, but no run that alone
        holds the curves of a training that came to its end.
        """
        with self._lock:
            self._end_orphans()
            live = self._live(variant)
            found = self.find(variant.fingerprint)
            continued = live.pop(0) if live and not found else None
            left = {
                *live,
                *self._half_trained(variant.description),
                *self._ids({FINGERPRINT_TAG: variant.fingerprint}, "!= 'FINISHED'"),
            }
            self._delete(*left - {continued})
            run_id = found or self._write(variant, continued)
            # Of other variants: their pipelines were left before they came to their end.
            self._end(*self._trained(variant.workspace))
            return run_id

    def _end_orphans(self) -> None:
        """Mark as killed the runs that nobody writes to any more."""
        running = self._search({}, "= 'RUNNING'")
        self._end(*(run.info.run_id for run in running if is_orphaned(run.data.tags)))

    def _end(self, *run_ids: str, status: str = "KILLED") -> None:
        for run_id in run_ids:
            self.client.set_terminated(run_id, status=status)

    def _trained(self, workspace: Path) -> list[str]:
        """Ids of a workspace's live runs that wait, trained to their end, to be completed."""
        running = self._search({WORKSPACE_TAG: str(workspace)}, "= 'RUNNING'")
        return [run.info.run_id for run in running if HISTORY_TAG in run.data.tags]

    def _half_trained(self, description: Description) -> list[str]:
        """Ids of trainings of the same parameters and commit that ended before their time."""
        runs = self._search({ATTEMPT_TAG: description.attempt}, "!= 'FINISHED'")
        return [
            run.info.run_id
            for run in runs
            if run.info.status != "RUNNING" and HISTORY_TAG not in run.data.tags
        ]

    def _live(self, variant: Variant) -> list[str]:
        """Ids of the unfinished runs with the variant's curves and parameters, its own first."""
        digest = history_digest(variant.history)
        runs = self._search({HISTORY_TAG: digest}, "!= 'FINISHED'")
        same = [run for run in runs if run.data.params == variant.description.params]
        here = _quotable(str(variant.workspace))
        same.sort(key=lambda run: run.data.tags.get(WORKSPACE_TAG) != here)
        return [run.info.run_id for run in same]

    def _delete(self, *run_ids: str) -> None:
        for run_id in set(run_ids):
            self._delete_models(run_id)
            self.client.delete_run(run_id)

    def _delete_models(self, run_id: str) -> None:
        for model in self.models(self.client.get_run(run_id)):
            self.client.delete_logged_model(model.model_id)

    def _ids(self, tags: Mapping[str, str], status: str) -> list[str]:
        return [run.info.run_id for run in self._search(tags, status)]

    def _search(self, tags: Mapping[str, str], status: str) -> list[Any]:
        """The runs with these tags and a status as asked, ``"= 'RUNNING'"``, the latest first."""
        conditions = [f"tags.`{name}` = '{_quotable(value)}'" for name, value in tags.items()]
        asked = " and ".join([*conditions, f"attributes.status {status}"])
        return list(self.client.search_runs([self.experiment_id], asked))

    def _create(self, description: Description, tags: Mapping[str, str]) -> str:
        """Create a run with the parameters of its variant; returns its id."""
        from mlflow.entities import Param

        run = self.client.create_run(
            self.experiment_id,
            run_name=description.name[:_MAX_NAME_LENGTH],
            tags={
                **description.tags, **{name: _quotable(value) for name, value in tags.items()},
            },
        )  # fmt: skip
        run_id = run.info.run_id
        self.client.log_batch(
            run_id, params=[Param(key, value) for key, value in description.params.items()]
        )
        return run_id

    def _write(self, variant: Variant, continued: str | None) -> str:
        """Write everything of a variant, into the live run of its training where there is one."""
        from mlflow.entities import RunTag

        of_variant = {FINGERPRINT_TAG: variant.fingerprint}
        run_id = continued or self._create(variant.description, of_variant | writing_tags())
        try:
            tags = {
                **variant.description.tags,  # which may be of a later commit than the training
                **of_variant,
                DESCRIPTION_TAG: summary(variant, run_id),
                **{f"{HIDDEN}.stage.{name}": hash_[:12] for name, hash_ in variant.stages.items()},
            }
            if variant.warning:
                tags["warning"] = variant.warning
            metrics = [metric(key, value) for key, value in variant.metrics.items()]
            if not continued:
                metrics += [point for row in variant.history for point in epoch_metrics(row)]
            self.client.log_batch(
                run_id, metrics=metrics, tags=[RunTag(*tag) for tag in tags.items()]
            )
            self._log_dataset(run_id, variant.dataset)
            of_model = {}
            for folder, file in variant.artifacts:
                place = Path(folder, file.name)
                if place.is_relative_to(MODEL_FOLDER):
                    of_model[place.relative_to(MODEL_FOLDER)] = file
                elif folder == "spectrograms":
                    self._log_image(run_id, file)
                else:
                    self.client.log_artifact(run_id, str(file), folder or None)
            if of_model:
                self._log_model(run_id, of_model, _generate_section(variant))
        except BaseException:
            # The next try goes on with a training's run, and begins any other anew. What broke the
            # run may break its deletion too, and is the error to report.
            with suppress(Exception):
                if continued:
                    self._delete_models(run_id)
                else:
                    self._delete(run_id)
            raise
        self.client.set_terminated(run_id)
        return run_id

    def _log_dataset(self, run_id: str, dataset: Dataset) -> None:
        from mlflow.entities import Dataset as DatasetEntity
        from mlflow.entities import DatasetInput, InputTag

        entity = DatasetEntity(
            name=dataset.name, digest=dataset.digest, source_type="dvc", source="data/raw"
        )
        context = InputTag("mlflow.data.context", "training")
        self.client.log_inputs(run_id, [DatasetInput(entity, [context])])

    def _log_model(
        self, run_id: str, files: Mapping[Path, Path], generate: Mapping[str, Any]
    ) -> None:
        """Log the generator as a model, apart from the run's own files: nothing lies there twice.

        ``files`` and ``generate`` are as :func:`save_model` takes them.
        """
        from mlflow.entities import LoggedModelOutput, LoggedModelStatus
        from mlflow.models import Model

        logged = self.client.create_logged_model(self.experiment_id, GENERATOR, run_id)
        origin = Model(run_id=run_id, model_id=logged.model_id, model_uuid=logged.model_id)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / GENERATOR
            save_model(folder, files, generate, origin)
            self.client.log_model_artifacts(logged.model_id, str(folder))
        self.client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
        self.client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])

    def _log_image(self, run_id: str, file: Path) -> None:
        """Log a picture as an image, which the page shows side by side for all runs."""
        from PIL import Image

        with Image.open(file) as image:
            self.client.log_image(
                run_id, image.convert("RGB"), key=f"spectrogram/{file.stem}", step=0
            )


def _generate_section(variant: Variant) -> Mapping[str, Any]:
    """``generate`` of the variant's ``params.yaml``."""
    (file,) = [file for folder, file in variant.artifacts if Path(folder, file.name) == PARAMS_FILE]
    return read_params(file)["generate"]


def _quotable(value: str) -> str:
    """A tag's value as a search can name it: MLflow's filters cannot escape quotes."""
    return value.replace("'", "_").replace('"', "_")


def _check_place(experiment: Any, root: Path | None) -> None:
    """Refuse an experiment whose files would be written where the project is not.

    Its place may be anywhere in a store that the user named (``root`` is None), but must be there.
    """
    folder = local_folder(experiment.artifact_location)
    if folder and not (folder.is_relative_to(root) if root else folder.parent.is_dir()):
        raise SoundloomError(
            f"track.experiment is {experiment.name!r}, whose files are kept in {folder}, "
            f"{'outside this project' if root else 'which is gone'}; name another"
        )


def _in_shell(uri: str) -> str:
    """An address as part of a command: one with credentials, which are not shown, as the user's."""
    return shlex.quote(uri) if without_credentials(uri) == uri else '"$MLFLOW_TRACKING_URI"'


def _explained(error: Exception, uri: str, shown: str) -> str:
    """Why a store cannot be used, and what to do about it."""
    said = first_line(error)
    # MLflow's words for any other version; "out of date" may be itself.
    if found := re.search(r"database schema \(found version (\w+)", said):
        if _is_known_revision(found[1]):
            return (
                f"{shown}: written by an older MLflow; copy it, then bring it up to date: "
                f"mlflow db upgrade {_in_shell(uri)}"
            )
        return (
            f"{shown}: written by a newer MLflow than this environment's; use that version, or "
            "name another store with MLFLOW_TRACKING_URI"
        )
    if uri.startswith("http"):
        return f"{shown}: does not answer as an MLflow server: {said}"
    return f"{shown}: cannot be used as MLflow's store: {said}"


def _is_known_revision(revision: str) -> bool:
    """Whether the MLflow that is installed knows how to migrate from a revision of its schema."""
    import mlflow

    versions = Path(mlflow.__file__).parent / "store" / "db_migrations" / "versions"
    return any(versions.glob(f"{revision}_*.py"))


def _check_database(path: Path, shown: str, create: bool) -> None:
    """Open an SQLite database once: MLflow would retry for two minutes, or make what is not there.

    Refuses, too, a database of something else, which MLflow would add its tables to.
    """
    if not create and not path.exists():
        raise SoundloomError(
            f"{shown}: no such file: nothing has been tracked there yet; `make repro` trains a "
            "model and tracks its run"
        )
    if not path.parent.is_dir():
        raise SoundloomError(f"{shown}: there is no folder {path.parent}")
    try:
        with closing(sqlite3.connect(path)) as database:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
    except sqlite3.Error as error:
        raise SoundloomError(f"{shown}: cannot be used as MLflow's store: {error}") from None
    if "alembic_version" not in tables and (tables or not create):
        raise SoundloomError(f"{shown}: cannot be used as MLflow's store: it is none")
