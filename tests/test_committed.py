"""The last commit fits together: metrics/ and dvc.lock are of its code, README's figures of those.

Whoever edits code sees it here once the edit is committed, not before: `dvc repro`, and commit.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from params import REPOSITORY
from projects import Project
from soundloom.common.io import read_json

pytestmark = pytest.mark.slow

# Of real songs, the test part of the default corpus.
N_REAL = 10


@pytest.fixture(scope="module")
def commit(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A clone of the last commit, without any data."""
    if not (REPOSITORY / ".git").exists():
        pytest.skip("not a git repository: there is no commit to look at")
    folder = tmp_path_factory.mktemp("commit") / "clone"
    subprocess.run(["git", "clone", "-q", REPOSITORY, folder], check=True)
    return Project(folder)


def test_metrics_and_lock_are_of_the_code_and_parameters(commit: Project) -> None:
    status = json.loads(commit.run("dvc", "status", "--json"))
    changed = sorted({path for reasons in status.values() for path in differing(reasons)})
    assert not changed, f"run `dvc repro` and commit what it writes; since then: {changed}"


def differing(reasons: list[Any]) -> Iterator[str]:
    """What `dvc status` finds changed of a stage, but for the data, which no clone has."""
    for reason in reasons:
        if isinstance(reason, str):  # such as "changed command"
            yield reason
            continue
        for changes in reason.values():
            for path, change in changes.items():
                if isinstance(change, dict):
                    yield from (f"{key} in {path}" for key in change)
                elif path.startswith("src/") or change not in ("deleted", "not in cache"):
                    yield path


def test_documents_state_the_figures_of_the_metrics(commit: Project) -> None:
    wrong = []
    for document, words in stated(commit.folder / "metrics"):
        text = (commit.folder / document).read_text(encoding="utf-8")
        if words not in " ".join(text.split()):
            wrong.append(f"{document} should say {words!r}")
    assert not wrong, "metrics/ has other figures: " + "; ".join(wrong)


def stated(metrics: Path) -> Iterator[tuple[str, str]]:
    """(document, what it must say of the default run)."""
    made, reference = (read_json(metrics / f"{stage}.json") for stage in ("evaluate", "reference"))
    results = "docs/results.md"
    yield results, results_row("**generated**", made)
    yield results, results_row("real", reference["real"])
    yield results, results_row("prompt loop", reference["prompt_loop"])
    yield results, f"Near-copies {made['novelty']['near_copies'] * 100:.0f} %;"
    yield results, f"as the first ({made['stability']['fad_ratio']:.2f})."
    n_made = len(read_json(metrics / "generate.json"))
    kept, key = (round(made["truth"][one] * n_made) for one in ("tempo", "key_exact"))
    real = [round(reference["real"]["truth"][one] * N_REAL) for one in ("tempo", "key_exact")]
    row = f"| the built-in band, {n_made} continuations | **{kept}** keep the tempo, **{key}** the "
    yield "README.md", f"{row}very key | of ten real ones {real[0]} and {real[1]} |"


def results_row(title: str, found: dict[str, Any]) -> str:
    """A row of the table of the built-in corpus, of the metrics of one set of recordings."""
    cells = [title, f"{found['fad']:.1f}", f"{found['kad']:.0f}"]
    if title != "prompt loop":
        cells[1] += f" ({found['fad_low']:.0f} to {found['fad_high']:.0f})"
        cells[2] += f" ({found['kad_low']:.0f} to {found['kad_high']:.0f})"
    cells += [f"{found[group]['ratio']:.2f}" for group in ("rhythm", "tonality", "dynamics")]
    truth = found.get("truth")
    cells += [f"{truth[key]:.2f}" if truth else "" for key in ("tempo", "key", "key_exact")]
    return re.sub(" +", " ", f"| {' | '.join(cells)} |")
