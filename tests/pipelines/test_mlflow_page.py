"""MLflow's page in a real browser: runs in a table, curves, pictures, and sound side by side.

What is served are variants as the track stage records them, so that a change of what a run holds,
or a new MLflow, cannot silently take away what the page is there for.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import yaml

from browser import chromium
from generated_project import finish_project, make_project
from page_server import answered, served
from soundloom.audio.files import write_audio
from soundloom.common.io import write_json, write_text
from soundloom.experiments.runs import RunStore
from soundloom.experiments.variant import read_variant

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and sessions of POSIX")

# The page is a heavy one, and its first visit on a busy machine takes long.
PATIENCE_S = 40.0
N_EPOCHS = 20

# What the console may complain of: nothing here hinders what the page is there for.
HARMLESS = (
    # The page asks who is logged in; MLflow's server without accounts has no such address.
    r"/ajax-api/2\.0/mlflow/users/current - .* 404",
    # On a busy machine its layout takes a frame longer than the browser likes.
    r"ResizeObserver loop completed with undelivered notifications",
)

# Players lie in shadow trees, which querySelectorAll does not enter.
PLAYERS_IN = """
    const playersIn = root => [...root.querySelectorAll('*')].flatMap(element => [
        ...(element.tagName === 'AUDIO' ? [element] : []),
        ...(element.shadowRoot ? playersIn(element.shadowRoot) : []),
    ]);
"""


@dataclass(frozen=True)
class Tried:
    """A variant, by what tells it from the others."""

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
    "bystander": Tried(epochs=40, val_loss=0.125, seconds=2.0),
}
COMPARED = ("slow-learner", "fast-learner")


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
    params = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))
    params["train"]["epochs"] = tried.epochs
    write_text(folder / "params.yaml", yaml.safe_dump(params))
    write_json(folder / "metrics/train.json", {"val_loss": tried.val_loss})
    rows = [f"{epoch},{loss},{loss}" for epoch, loss in enumerate(tried.losses, start=1)]
    write_text(folder / "metrics/history.csv", "\n".join(["epoch,loss,val_loss", *rows]) + "\n")
    times_s = np.arange(round(tried.seconds * 44_100)) / 44_100
    tone = 0.3 * np.sin(2 * np.pi * 330 * times_s) * np.exp(-times_s)
    write_audio(folder / "data/generated/samples/sample_00.wav", tone.astype(np.float32), 44_100)


@pytest.fixture(scope="module")
def url(root: Path) -> Iterator[str]:
    """The address that `soundloom ui` prints. Ctrl+C must end all of the server."""
    with served(root) as (process, port):
        assert process.stdout is not None
        printed = next(line for line in process.stdout if line.startswith("MLflow: "))
        found = re.search(r"http://\S+", printed)
        assert found, printed
        assert f"127.0.0.1:{port}/#/experiments/" in found[0]
        answered(f"http://127.0.0.1:{port}/", process)
        yield found[0]
        family = [psutil.Process(process.pid)]
        family += family[0].children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=20)
        _, alive = psutil.wait_procs(family, timeout=10)
        assert (process.returncode, alive) == (0, [])


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
    origin = url.split("/#")[0]
    # What an earlier test chose is kept there.
    driver.execute_cdp_cmd(
        "Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "local_storage"}
    )
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


def row_xpath(name: str) -> str:
    """The run's row in the part of the table that has its name."""
    return f"//*[@role='row'][.//a[normalize-space()='{name}']]"


def durations(page: Any) -> list[float]:
    """Of all players whose sound is loaded, in the order of the page."""
    return page.execute_script(
        PLAYERS_IN + "return playersIn(document).filter(player => isFinite(player.duration))"
        ".map(player => player.duration)"
    )


def test_the_table_shows_the_variants_with_the_columns_one_chooses(page: Any) -> None:
    wait_for(page, lambda: page.find_element("xpath", row_xpath("bystander")), "no runs")
    click(page, "//button[normalize-space()='Columns']")
    search = wait_for(
        page,
        lambda: page.find_element("css selector", "input[placeholder='Search columns']"),
        "no columns to choose",
    )
    columns = {
        "params.`train.epochs`": "train.epochs",
        "metrics.`train/val_loss`": "train/val_loss",
    }
    for name in columns.values():
        search.send_keys("\ue009a\ue000", name)  # In place of all that was there: Ctrl+A.
        click(page, f"//*[@data-testid='column-selector-tree']//strong[.='{name}']")
    search.send_keys("\ue00c")  # Escape

    def cells() -> dict[str, list[str]]:
        """Row by row, from the table's two parts."""
        table: dict[str, dict[str, str]] = page.execute_script(
            """
            const table = {};
            for (const cell of document.querySelectorAll('[role=row] [role=gridcell]')) {
                const row = cell.closest('[role=row]').getAttribute('row-id');
                (table[row] ??= {})[cell.getAttribute('col-id')] = cell.innerText;
            }
            return table;
            """
        )
        names = "attributes.`Run Name`"
        return {
            row[names].split("\n")[-1]: [row[column] for column in columns]
            for row in table.values()
            if columns.keys() < row.keys()
        }

    wait_for(page, lambda: len(cells()) == len(TRIED), "the chosen columns do not show")
    assert {name: [float(value) for value in row] for name, row in cells().items()} == {
        name: [tried.epochs, pytest.approx(tried.val_loss, abs=5e-4)]
        for name, tried in TRIED.items()
    }


def search_charts(page: Any, title: str) -> None:
    """Switch to charts and find one: those further down are not drawn before one scrolls there."""
    click(page, "//label[.//input[@value='CHART']]")
    box = "//input[@placeholder='Search metric charts']"
    click(page, box)
    page.find_element("xpath", box).send_keys(f"^{title}$")


def chart(page: Any, title: str) -> Any:
    """The card that holds the chart."""
    card = "//*[@data-testid='experiment-view-compare-runs-card']"
    return page.find_element("xpath", f"{card}[.//*[not(*)][normalize-space()='{title}']]")


def test_the_loss_of_every_epoch_is_drawn_for_every_run(page: Any) -> None:
    search_charts(page, "val_loss")

    def curves() -> dict[str, list[list[float]]] | None:
        """x and y of every run, once they are drawn."""
        card = chart(page, "val_loss")
        return page.execute_script(
            """
            const plot = arguments[0].querySelector('.js-plotly-plot');
            const lines = [...plot?.querySelectorAll('.scatterlayer .js-line[d]') ?? []];
            if (lines.length < arguments[1]) return null;
            const curves = plot.data.filter(trace => trace.y.length)
                .map(trace => [trace.name, [[...trace.x], [...trace.y]]]);
            return Object.fromEntries(curves);
            """,
            card,
            len(TRIED),
        )

    drawn = wait_for(page, curves, "no curves")
    steps = list(range(1, N_EPOCHS + 1))
    assert drawn == {name: [steps, pytest.approx(tried.losses)] for name, tried in TRIED.items()}
    scroll_to(page, chart(page, "val_loss"))


def test_the_spectrograms_of_all_runs_are_shown_together(page: Any) -> None:
    search_charts(page, "sample_00")

    def pictures() -> list[Any]:
        """Those loaded."""
        return page.execute_script(
            "return [...arguments[0].querySelectorAll('img')].filter(image => image.naturalWidth)",
            chart(page, "sample_00"),
        )

    wait_for(page, lambda: len(pictures()) == len(TRIED), "no picture for every run")
    scroll_to(page, pictures()[0])


def test_a_run_s_sample_is_played(page: Any) -> None:
    click(page, "//a[normalize-space()='fast-learner']")
    click(page, "//button[@role='tab'][normalize-space()='Artifacts']")
    click(page, "//*[@artifact-name='sample_00.wav']")
    wait_for(page, lambda: durations(page), "no player with a sound")
    assert durations(page) == [pytest.approx(TRIED["fast-learner"].seconds, abs=0.1)]
    page.execute_script(PLAYERS_IN + "return playersIn(document)[0].play()")
    played_s = PLAYERS_IN + "return playersIn(document)[0].currentTime"
    wait_for(page, lambda: page.execute_script(played_s) > 0.2, "it does not play")


def test_two_runs_are_heard_side_by_side(page: Any) -> None:
    for name in COMPARED:
        click(page, f"{row_xpath(name)}//*[contains(@class, 'ag-selection-checkbox')]//input")
    click(page, "//button[normalize-space()='Compare']")
    click(page, "//*[@artifact-name='sample_00.wav']")
    wait_for(page, lambda: len(durations(page)) == 2, "no two players with a sound")
    boxes = page.execute_script(
        PLAYERS_IN + "return playersIn(document).map(player => player.getBoundingClientRect())"
    )
    page.execute_script(PLAYERS_IN + "playersIn(document)[0].scrollIntoView({block: 'end'})")
    assert boxes[0]["right"] <= boxes[1]["left"]
    assert boxes[0]["top"] == boxes[1]["top"]
    lengths_s = sorted(TRIED[name].seconds for name in COMPARED)
    assert sorted(durations(page)) == pytest.approx(lengths_s, abs=0.1)
