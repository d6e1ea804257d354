"""What this project puts on MLflow's page: runs by name, their numbers, pictures, sound to compare.

Variants are recorded as the track stage does and served by `soundloom ui`, so that a change of what
a run holds, or a new MLflow, cannot silently take away what the page is there for. How the page
itself works is MLflow's to test.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

from browser import chromium
from generated_project import finish_project, make_project
from page_server import end, printed_address, served
from params import write_params
from soundloom.audio.files import write_audio
from soundloom.common.io import write_json, write_text
from soundloom.experiments.store import RunStore
from soundloom.experiments.variant import read_variant

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and sessions of POSIX")

# The page is a heavy one, and its first visit on a busy machine takes long.
PATIENCE_S = 120.0
N_EPOCHS = 20

# What the console may complain of: nothing here hinders what the page is there for.
HARMLESS = (
    # The page asks who is logged in; MLflow's server without accounts has no such address.
    r"/ajax-api/2\.0/mlflow/users/current - .* 404",
    # On a busy machine its layout takes a frame longer than the browser likes.
    r"ResizeObserver loop completed with undelivered notifications",
)

# Players are in shadow trees, which querySelectorAll does not enter.
PLAYERS = """
    const playersIn = root => [...root.querySelectorAll('*')].flatMap(element => [
        ...(element.tagName === 'AUDIO' ? [element] : []),
        ...(element.shadowRoot ? playersIn(element.shadowRoot) : []),
    ]);
    return playersIn(document).filter(player => isFinite(player.duration)).map(player => {
        const {left, top} = player.getBoundingClientRect();
        return {seconds: player.duration, left, top};
    });
"""


@dataclass(frozen=True)
class Tried:
    """A variant, by what distinguishes it from the others."""

    epochs: int
    val_loss: float
    seconds: float
    """Of its first sample."""

    @property
    def losses(self) -> list[float]:
        return [self.val_loss * (1 + 5 / epoch) for epoch in range(1, N_EPOCHS + 1)]


TRIED = {
    "slow-learner": Tried(epochs=20, val_loss=0.0625, seconds=1.0),
    "fast-learner": Tried(epochs=30, val_loss=0.03125, seconds=1.5),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose variants are recorded, each as the pipeline leaves it in the same folder."""
    root = tmp_path_factory.mktemp("project")
    make_project(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("GIT_CEILING_DIRECTORIES", str(root.parent))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        store = RunStore(root, "soundloom")
        for name, tried in TRIED.items():
            patch.setenv("DVC_EXP_NAME", name)
            run_pipeline(root, name, tried)
            store.record(read_variant())
    return root


def run_pipeline(folder: Path, name: str, tried: Tried) -> None:
    """Leave in ``folder`` what the stages would have left."""
    finish_project(folder, trained=name)
    write_params(folder, {"train.epochs": tried.epochs})
    write_json(folder / "metrics/train.json", {"val_loss": tried.val_loss})
    rows = [f"{epoch},{loss},{loss}" for epoch, loss in enumerate(tried.losses, start=1)]
    write_text(folder / "metrics/history.csv", "\n".join(["epoch,loss,val_loss", *rows]) + "\n")
    times_s = np.arange(round(tried.seconds * 44_100)) / 44_100
    tone = 0.3 * np.sin(2 * np.pi * 330 * times_s) * np.exp(-times_s)
    write_audio(folder / "data/generated/samples/sample_00.wav", tone.astype(np.float32), 44_100)


@pytest.fixture(scope="module")
def url(root: Path) -> Iterator[str]:
    """The address that `soundloom ui` prints; closing the terminal ends all of the server."""
    with served(root) as (process, _):
        found = re.search(r"http://\S+", printed_address(process))
        assert found
        yield found[0]
        end(process, signal.SIGHUP)


@pytest.fixture(scope="module")
def runs(url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The served runs by name, asked over HTTP as the page does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", url.split("/#")[0])
        store = RunStore(tmp_path_factory.mktemp("elsewhere"), "soundloom")
    return {
        run.info.run_name: (run, store.client)
        for run in store.client.search_runs([store.experiment_id])
    }


def test_a_run_holds_what_there_is_to_compare(runs: dict[str, Any]) -> None:
    assert runs.keys() == TRIED.keys()
    for name, tried in TRIED.items():
        run, client = runs[name]
        assert run.data.params["train.epochs"] == str(tried.epochs)
        assert run.data.metrics["train/val_loss"] == tried.val_loss
        curve = client.get_metric_history(run.info.run_id, "epoch/val_loss")
        assert [point.step for point in curve] == list(range(1, N_EPOCHS + 1))
        assert [point.value for point in curve] == pytest.approx(tried.losses)
        # The same names in every run: what is to be compared by ear is in no folder.
        files = {entry.path for entry in client.list_artifacts(run.info.run_id)}
        assert {"sample_00.wav", "sample_01.wav", "params.yaml"} <= files
        assert "**FAD 20.5**" in run.data.tags["mlflow.note.content"]


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile"), width=1600, height=1000) as driver:
        # As from the second visit on: on the first, a chat opens over a quarter of the page.
        second_visit = "localStorage['mlflow.assistant.fab.autoOpenedOnFirstLoad_v1'] = 'true'"
        driver.execute_cdp_cmd(
            "Page.addScriptToEvaluateOnNewDocument",
            {"source": f"if (location.protocol === 'http:') {second_visit}"},
        )
        yield driver


@pytest.fixture
def page(driver: Any, url: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """The address as printed, opened afresh.

    However the test ends, a picture of where it ended is kept in $SOUNDLOOM_SCREENSHOTS or else in
    its temporary folder; then the console is read, and what the page fetched.
    """
    driver.get("about:blank")
    driver.get_log("browser")  # Reading empties it.
    driver.get(url)
    yield driver
    folder = Path(os.environ.get("SOUNDLOOM_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    name = request.node.name.removeprefix("test_")
    assert driver.save_screenshot(str(folder / f"mlflow_{name}.png"))
    complaints = [
        entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"
    ]
    known = re.compile("|".join(HARMLESS))
    assert [message for message in complaints if not known.search(message)] == []
    fetched = driver.execute_script(
        "return performance.getEntriesByType('resource').map(entry => entry.name)"
    )
    origin = url.split("/#")[0]
    own = (f"{origin}/", f"blob:{origin}/", "data:")
    assert [name for name in fetched if not name.startswith(own)] == []


def wait_for(page: Any, what: Callable[[], Any], message: str) -> Any:
    """What ``what`` returns as soon as that is anything; React may replace elements meanwhile."""
    from selenium.common import exceptions
    from selenium.webdriver.support.wait import WebDriverWait

    ignored = (
        exceptions.NoSuchElementException,
        exceptions.StaleElementReferenceException,
        exceptions.ElementNotInteractableException,
        exceptions.ElementClickInterceptedException,
    )
    return WebDriverWait(page, PATIENCE_S, 0.1, ignored).until(lambda _: what(), message)


def scroll_to(page: Any, element: Any) -> None:
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)


def click(page: Any, xpath: str) -> None:
    """Click the element as soon as it is there to be clicked."""

    def clicked() -> bool:
        element = page.find_element("xpath", xpath)
        scroll_to(page, element)
        element.click()
        return True

    wait_for(page, clicked, f"nothing to click at {xpath}")


def test_the_address_opens_on_the_runs_by_name(page: Any) -> None:
    for name in TRIED:
        link = f"//*[@role='row']//a[normalize-space()='{name}']"
        wait_for(page, partial(page.find_element, "xpath", link), f"no run {name}")


def test_the_spectrograms_of_all_runs_are_shown_together(page: Any) -> None:
    click(page, "//label[.//input[@value='CHART']]")
    box = "//input[@placeholder='Search metric charts']"
    click(page, box)
    # Charts further down are not drawn before one scrolls there.
    page.find_element("xpath", box).send_keys("^spectrogram/sample_00$")
    card = "//*[@data-testid='experiment-view-compare-runs-card']"
    title = "[.//*[not(*)][normalize-space()='spectrogram/sample_00']]"

    def pictures() -> list[Any]:
        """Those loaded, of the card with that title."""
        return page.execute_script(
            "return [...arguments[0].querySelectorAll('img')].filter(image => image.naturalWidth)",
            page.find_element("xpath", f"{card}{title}"),
        )

    wait_for(page, lambda: len(pictures()) == len(TRIED), "no picture for every run")
    scroll_to(page, pictures()[0])


def test_two_runs_play_side_by_side(page: Any, url: str, runs: dict[str, Any]) -> None:
    ids = [run.info.run_id for run, _ in runs.values()]
    experiments = [next(iter(runs.values()))[0].info.experiment_id]
    comparison = f"runs={quote(json.dumps(ids))}&experiments={quote(json.dumps(experiments))}"
    page.get(f"{url.split('#')[0]}#/compare-runs?{comparison}")
    click(page, "//*[@artifact-name='sample_00.wav']")

    def side_by_side() -> list[float] | None:
        """Seconds of both players' sounds, once they are loaded and have their places."""
        players = page.execute_script(PLAYERS)
        if len(players) < len(TRIED):
            return None
        left, right = sorted(players, key=lambda player: player["left"])
        apart = left["top"] == right["top"] and left["left"] < right["left"]
        return sorted([left["seconds"], right["seconds"]]) if apart else None

    lengths_s = sorted(tried.seconds for tried in TRIED.values())
    found = wait_for(page, side_by_side, "no player with a sound for every run, side by side")
    assert found == pytest.approx(lengths_s, abs=0.1)
