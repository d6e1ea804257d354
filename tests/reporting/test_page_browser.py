"""The listening page in a real browser, opened from disk."""

import base64
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from browser import chromium
from generated_project import HOSTILE_NAME, SECONDS, make_project
from params import REPOSITORY
from soundloom.stages import report as stage

pytestmark = pytest.mark.slow

ARTIFACTS = REPOSITORY / "test-artifacts"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("project")
    make_project(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        stage.main()
    return (folder / stage.LISTEN_FILE).as_uri()


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture
def page(driver: Any, url: str) -> Any:
    """The page, freshly loaded, with all players ready."""
    driver.get_log("browser")  # Reading empties it.
    driver.get(url)
    wait_for(lambda: all(state >= 1 for state in players(driver, "readyState")))
    return driver


def players(driver: Any, what: str) -> list[Any]:
    return driver.execute_script(
        f"return [...document.querySelectorAll('audio')].map(player => player.{what})"
    )


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_every_player_loads_and_reports_its_duration(page: Any) -> None:
    assert players(page, "duration") == pytest.approx(SECONDS, abs=0.05)
    assert players(page, "error") == [None] * len(SECONDS)


def test_a_player_plays_and_starting_another_pauses_it(page: Any) -> None:
    page.execute_script("document.querySelectorAll('audio')[1].play()")
    wait_for(lambda: players(page, "currentTime")[1] > 0.3)
    page.execute_script("document.querySelectorAll('audio')[2].play()")
    wait_for(lambda: players(page, "currentTime")[2] > 0.1)
    assert players(page, "paused") == [True, True, False, True, True]


def test_the_prompt_runs_on_into_what_was_generated(page: Any) -> None:
    button = page.find_element("css selector", "button[data-second='s00-generated']")
    assert button.is_displayed()
    button.click()
    wait_for(lambda: players(page, "paused")[0] is False)
    wait_for(lambda: players(page, "currentTime")[1] > 0.1)
    assert players(page, "ended")[0] is True
    wait_for(lambda: players(page, "ended")[1] is True)
    assert players(page, "currentTime")[2] == 0, "the sequence ends where it should"


def test_playing_something_else_gives_up_the_sequence(page: Any) -> None:
    page.find_element("css selector", "button[data-second='s00-generated']").click()
    wait_for(lambda: players(page, "currentTime")[0] > 0.1)
    page.execute_script("document.querySelectorAll('audio')[3].play()")
    wait_for(lambda: players(page, "ended")[3] is True)
    assert players(page, "currentTime")[1] == 0


def test_a_click_on_a_picture_plays_from_there_and_the_playhead_follows(page: Any) -> None:
    picture = page.find_elements("css selector", ".picture")[1]
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", picture)
    picture.click()  # In its middle: between the axes' edges, at 0.5 of the picture's width.
    left, right = (float(picture.get_attribute(f"data-{side}")) for side in ("left", "right"))
    start_s = SECONDS[1] * (0.5 - left) / (right - left)
    wait_for(lambda: players(page, "currentTime")[1] > start_s)
    assert players(page, "currentTime")[1] < start_s + 1.0
    playhead = picture.find_element("css selector", ".playhead")
    assert playhead.is_displayed()
    share = float(page.execute_script("return parseFloat(arguments[0].style.left)", playhead))
    assert 49 < share < 100 * right
    page.execute_script("document.querySelectorAll('audio')[1].pause()")


def test_pictures_are_decoded(page: Any) -> None:
    widths = page.execute_script("return [...document.images].map(i => i.naturalWidth)")
    assert widths == [900] * len(SECONDS)


def test_the_console_stays_silent_and_nothing_is_fetched(page: Any) -> None:
    page.execute_script("document.querySelectorAll('audio')[0].play()")
    wait_for(lambda: players(page, "currentTime")[0] > 0.1)
    assert page.get_log("browser") == []
    fetched = page.execute_script(
        "return performance.getEntriesByType('resource').map(e => e.name)"
    )
    assert [name for name in fetched if not name.startswith("data:")] == []


def test_a_hostile_name_is_shown_as_text(page: Any) -> None:
    heading = page.find_element("css selector", "#s00-title")
    assert heading.text == f"Sample 1: after {HOSTILE_NAME}"
    assert page.execute_script("return document.scripts.length") == 1


def test_the_policy_stops_foreign_scripts_and_styles(page: Any) -> None:
    hurt = page.execute_script(
        """
        const script = document.createElement("script");
        script.textContent = "window.hurt = 1";
        const style = document.createElement("style");
        style.textContent = "body { margin-top: 77px }";
        document.body.append(script, style);
        return [window.hurt ?? null, getComputedStyle(document.body).marginTop];
        """
    )
    assert hurt == [None, "0px"]


def test_tables_have_names_and_everything_is_reached_by_keyboard(page: Any) -> None:
    assert (
        page.execute_script("return document.querySelectorAll('table:not(:has(caption))').length")
        == 0
    )
    names = page.execute_script(
        "return [...document.querySelectorAll('audio')].map(p => p.getAttribute('aria-labelledby')"
        ".split(' ').map(id => document.getElementById(id).textContent).join(' '))"
    )
    assert names[1] == f"Sample 1: after {HOSTILE_NAME} Generated"
    page.find_element("css selector", "summary").send_keys("\ue007")  # Enter
    assert page.find_element("css selector", "details").get_attribute("open") is not None


@pytest.mark.parametrize(
    ("name", "width", "scheme"),
    [("light", 1200, "light"), ("dark", 1200, "dark"), ("narrow", 360, "light")],
)
def test_the_page_fits_the_window_and_follows_the_colour_scheme(
    page: Any, name: str, width: int, scheme: str
) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    body, page_height, page_width = page.execute_script(
        "return [getComputedStyle(document.body).backgroundColor,"
        " document.documentElement.scrollHeight, document.documentElement.scrollWidth]"
    )
    assert page_width <= width
    brightness = int(body.removeprefix("rgb(").split(",")[0])
    assert (brightness > 128) == (scheme == "light")
    clip = {"x": 0, "y": 0, "width": width, "height": page_height, "scale": 1}
    shot = page.execute_cdp_cmd(
        "Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip}
    )
    ARTIFACTS.mkdir(exist_ok=True)
    (ARTIFACTS / f"listen-{name}.png").write_bytes(base64.b64decode(shot["data"]))
