"""Models of runs: logged once, with code and requirements; promoted; fetched by address."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from params import REPOSITORY, write_params
from soundloom.common.errors import SoundloomError
from soundloom.experiments.registry import fetch_generator, promote
from soundloom.experiments.store import RunStore
from soundloom.experiments.variant import Variant
from tracked import model_files, run_ids

pytestmark = pytest.mark.slow

WEIGHTS = b"weights that no other file holds"


@pytest.fixture
def with_model(variant: Variant, tmp_path: Path) -> Variant:
    """The variant with a generator (of one file), this repository's code and its lock."""
    weights = tmp_path / "network.weights.h5"
    weights.write_bytes(WEIGHTS)
    files = [("", write_params(tmp_path)), *model_files([weights])]
    return replace(variant, artifacts=(*variant.artifacts, *files))


def holding_weights(folder: Path) -> list[Path]:
    """Files of a store that the weights are in."""
    files = (file for file in (folder / "mlartifacts").rglob("*") if file.is_file())
    return [file for file in files if WEIGHTS in file.read_bytes()]


def test_a_model_is_logged_once_with_code_and_pinned_requirements(
    store: RunStore, with_model: Variant, root: Path
) -> None:
    before = holding_weights(root)
    run = store.run(store.record(with_model))
    assert {file.path for file in store.client.list_artifacts(run.info.run_id)} == {
        "params.yaml", "prompts", "sample_00.wav",
    }  # fmt: skip
    (model,) = store.models(run)
    assert run.outputs is not None
    assert [output.model_id for output in run.outputs.model_outputs] == [model.model_id]
    assert (model.name, model.status) == ("generator", "READY")
    (weights,) = set(holding_weights(root)) - set(before)
    folder = weights.parents[2]
    assert weights.relative_to(folder) == Path("artifacts/generator/network.weights.h5")

    written = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))
    flavor = written["flavors"]["python_function"]
    assert flavor["model_code_path"] == "model.py"
    assert flavor["artifacts"]["generator"] == {
        "path": "artifacts/generator", "uri": "generator"
    }  # fmt: skip
    assert "/tmp" not in str(written)
    params = {one["name"]: one["default"] for one in json.loads(written["signature"]["params"])}
    assert params == {name: flavor["config"][name] for name in ("seconds", "temperature", "seed")}
    for name in ("serving/model.py", "models/files.py"):
        carried = (folder / "code/soundloom" / name).read_bytes()
        assert carried == (REPOSITORY / "src/soundloom" / name).read_bytes()
    assert not [file for file in folder.rglob("*") if file.suffix in (".pyc", ".pkl")]
    lock = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")
    *required, constraints = (folder / "requirements.txt").read_text().splitlines()
    assert constraints == "-c constraints.txt"
    pinned = [Requirement(line) for line in (folder / "constraints.txt").read_text().splitlines()]
    assert {Requirement(line) for line in required} < set(pinned)
    assert len(pinned) == len(re.findall(r"^\w", lock, re.MULTILINE))
    assert [one for one in pinned if f"\n{one.name}{one.specifier}" not in lock] == []


def test_one_run_at_a_time_is_the_champion(store: RunStore, with_model: Variant) -> None:
    first = store.record(with_model)
    second = store.record(replace(with_model, fingerprint="0" * 64))
    address = promote(store, first)
    assert address == f"models:/{store.experiment}@champion"

    def champion() -> tuple[str, str]:
        found = store.client.get_model_version_by_alias(store.experiment, "champion")
        return str(found.version), str(found.run_id)

    assert champion() == ("1", first)
    promote(store, second)
    assert champion() == ("2", second)
    promote(store, first)  # the version it has
    assert champion() == ("1", first)


def test_a_model_is_fetched_by_its_address(
    store: RunStore, with_model: Variant, root: Path, tmp_path: Path
) -> None:
    run_id = store.record(with_model)
    moved = root.with_name("moved")
    addresses = (promote(store, run_id), f"runs:/{run_id}")
    root.rename(moved)  # as people do with projects
    try:
        there = RunStore(moved, store.experiment, create=False)
        for number, address in enumerate(addresses):
            folder = fetch_generator(there, address, tmp_path / str(number))
            assert (folder / "network.weights.h5").read_bytes() == WEIGHTS
    finally:
        moved.rename(root)
        RunStore(root, store.experiment)


def test_what_is_not_there_is_told_in_one_line(
    store: RunStore, variant: Variant, tmp_path: Path
) -> None:
    without = store.record(variant)
    champion = f"models:/{store.experiment}@champion"
    trials: dict[str, Callable[[], object]] = {
        "run 'abc' is not in ": lambda: promote(store, "abc"),
        f"run '{without}' holds no model: ": lambda: promote(store, without),
        f"'{champion}' is not in ": lambda: fetch_generator(store, champion, tmp_path),
        f"run '{without}' holds no model": (
            lambda: fetch_generator(store, f"runs:/{without}", tmp_path)
        ),
        "'models:/x' is not in ": lambda: fetch_generator(store, "models:/x", tmp_path),
    }
    for message, trial in trials.items():
        with pytest.raises(SoundloomError) as told:
            trial()
        assert str(told.value).startswith(message)
        assert "\n" not in str(told.value)


def test_a_run_that_breaks_midway_leaves_no_model(store: RunStore, with_model: Variant) -> None:
    broken = with_model.artifacts[-1][1].with_name("no such lock")
    with pytest.raises(OSError, match="no such lock"):
        store.record(replace(with_model, artifacts=(*with_model.artifacts[:-1], ("model", broken))))
    assert run_ids(store) == []
    assert not store.client.search_logged_models([store.experiment_id])
