"""The listening page in a real browser, opened from disk."""

import base64
import io
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
import soundfile
from scipy.stats import binomtest

from browser import chromium
from generated_project import HOSTILE_NAME, SECONDS, make_project
from params import REPOSITORY
from soundloom.reporting.blind import loudness_lkfs
from soundloom.stages import report as stage

pytestmark = pytest.mark.slow

ARTIFACTS = REPOSITORY / "test-artifacts"
LEFT, UP, RIGHT, DOWN = "\ue012", "\ue013", "\ue014", "\ue015"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("project")
    make_project(folder)
    return reported(folder)


def reported(folder: Path) -> str:
    """The address of the page of the project in ``folder``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        stage.main()
    return (folder / stage.LISTEN_FILE).as_uri()


REAL_HZ, GENERATED_HZ = 880, 220
LONG_SECONDS = (10.0, 10.5, 4.0, 6.5)


@pytest.fixture(scope="module")
def long_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of a project whose sounds are long enough to be jumped in and told apart, and can be."""
    folder = tmp_path_factory.mktemp("long")
    make_project(folder)
    generated = folder / "data/generated"
    for picture in generated.glob("spectrograms/*"):
        picture.unlink()
    entries = json.loads((generated / "generated.json").read_text())
    entries["samples"][0]["real"] = None
    (generated / "generated.json").write_text(json.dumps(entries))
    for number, (prompt_s, sample_s) in enumerate([LONG_SECONDS[:2], LONG_SECONDS[2:]]):
        for name, hz, level, seconds in (
            (f"prompts/prompt_{number:02d}", REAL_HZ, 0.1, prompt_s),
            (f"samples/sample_{number:02d}", GENERATED_HZ, 0.5, sample_s),
        ):
            tone = level * np.sin(2 * np.pi * hz * np.arange(round(seconds * 22_050)) / 22_050)
            soundfile.write(generated / f"{name}.wav", tone, 22_050)
    return reported(folder)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture
def page(driver: Any, url: str) -> Any:
    """The page, freshly loaded, with all players ready."""
    return opened(driver, url)


@pytest.fixture
def long_page(driver: Any, long_url: str) -> Any:
    """The same of long sounds, with nothing kept of former tests."""
    opened(driver, long_url).execute_script("localStorage.clear()")
    return opened(driver, long_url)


def opened(driver: Any, url: str) -> Any:
    driver.get_log("browser")  # Reading empties it.
    driver.get(url)
    wait_for(lambda: all(state >= 1 for state in players(driver, "readyState")))
    return driver


def players(driver: Any, what: str) -> list[Any]:
    return driver.execute_script(
        f"return [...document.querySelectorAll('audio[controls]')].map(player => player.{what})"
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


def test_space_plays_and_pauses_and_arrows_jump(long_page: Any) -> None:
    body = long_page.find_element("css selector", "body")
    body.send_keys(" ")
    wait_for(lambda: players(long_page, "currentTime")[0] > 0.1)
    body.send_keys(RIGHT)
    wait_for(lambda: 5.1 < players(long_page, "currentTime")[0] < 9)
    body.send_keys(" ")
    assert players(long_page, "paused") == 4 * [True]
    stopped = players(long_page, "currentTime")[0]
    body.send_keys(LEFT)
    assert players(long_page, "currentTime")[0] == pytest.approx(stopped - 5, abs=0.01)
    body.send_keys(LEFT)
    assert players(long_page, "currentTime")[0] == 0
    body.send_keys(RIGHT, RIGHT, RIGHT)
    assert players(long_page, "currentTime")[0] == LONG_SECONDS[0], "it goes no further"
    body.send_keys(" ")
    wait_for(lambda: 0 < players(long_page, "currentTime")[0] < 5)


def test_arrows_go_to_the_next_sound_while_one_plays_and_scroll_otherwise(long_page: Any) -> None:
    body = long_page.find_element("css selector", "body")
    body.send_keys(" ")
    wait_for(lambda: players(long_page, "currentTime")[0] > 0.1)
    body.send_keys(DOWN)
    wait_for(lambda: players(long_page, "currentTime")[1] > 0.1)
    assert players(long_page, "paused") == [True, False, True, True]
    body.send_keys(UP)
    wait_for(lambda: players(long_page, "paused") == [False, True, True, True])
    body.send_keys(UP)
    assert players(long_page, "paused") == [False, True, True, True], "there is none before"
    body.send_keys(" ")
    body.send_keys(DOWN)
    wait_for(lambda: long_page.execute_script("return scrollY") > 0)
    assert players(long_page, "paused") == 4 * [True]


def test_buttons_and_modifiers_keep_their_keys(long_page: Any) -> None:
    body = long_page.find_element("css selector", "body")
    body.send_keys("\ue009 ")  # Control
    assert players(long_page, "paused") == 4 * [True]
    button = long_page.find_element("css selector", "button[data-second='s01-generated']")
    button.send_keys(" ")
    wait_for(lambda: players(long_page, "currentTime")[2] > 0.1)
    assert players(long_page, "paused") == [True, True, False, True]


def blind(page: Any, name: str) -> Any:
    return page.find_element("id", f"blind-{name}")


def begin_blind_test(page: Any) -> None:
    """Open the blind test, keeping aside the clips that the page makes."""
    page.execute_script(
        """
        window.blobs = {};
        const make = URL.createObjectURL;
        URL.createObjectURL = (blob) => {
          const address = make(blob);
          window.blobs[address] = blob;
          return address;
        };
        """
    )
    blind(page, "start").click()


def clips(page: Any) -> list[tuple[np.ndarray, int]]:
    """What A and B play, and its rate: the audio itself, which alone tells what they are."""
    wait_for(blind(page, "play-a").is_enabled)
    files = page.execute_async_script(
        """
        const read = (blob) => new Promise((done) => {
          const reader = new FileReader();
          reader.onload = () => done(reader.result.split(",")[1]);
          reader.readAsDataURL(blob);
        });
        const players = [...document.querySelectorAll("#blind audio")];
        Promise.all(players.map((player) => read(window.blobs[player.src]))).then(arguments[0]);
        """
    )
    return [soundfile.read(io.BytesIO(base64.b64decode(file))) for file in files]


def real_one(page: Any) -> str:
    """``a`` or ``b``: which of the two is real, by its pitch."""
    pitches = [
        np.abs(np.fft.rfft(samples)).argmax() * rate / len(samples) for samples, rate in clips(page)
    ]
    assert sorted(pitches) == pytest.approx([GENERATED_HZ, REAL_HZ], abs=1)
    return "a" if pitches[0] > pitches[1] else "b"


def choose(page: Any, letter: str) -> None:
    """Hear both, and say which is real."""
    for one in "ab":
        blind(page, f"play-{one}").click()
    wait_for(blind(page, f"choose-{letter}").is_enabled)
    asked = blind(page, "progress").text
    blind(page, f"choose-{letter}").click()
    wait_for(lambda: blind(page, "progress").text != asked or blind(page, "verdict").is_displayed())


def other(letter: str) -> str:
    return "ba"["ab".index(letter)]


def test_the_blind_test_counts_right_and_wrong_and_keeps_it(long_page: Any, long_url: str) -> None:
    page = long_page
    begin_blind_test(page)
    for right in (True, False, True):
        real = real_one(page)
        choose(page, real if right else other(real))
    text = blind(page, "verdict").text
    assert text.startswith("You were right in 2 of 3: 67 %")
    assert "does at least as well in 50 % of rounds. So this does not show" in text
    opened(page, long_url)
    assert blind(page, "verdict").text == text, "it is kept"
    address = blind(page, "save").get_attribute("href")
    record = json.loads(unquote(address.removeprefix("data:application/json,")))
    (finished,) = record["rounds"]
    assert (finished["right"], finished["answered"], record["pairs"]) == (2, 3, 3)
    assert [answer["chose"] for answer in finished["answers"]] == ["real", "generated", "real"]
    expected = binomtest(2, 3, alternative="greater")
    assert finished["chance_by_guessing"] == pytest.approx(expected.pvalue)
    assert sorted(answer["sample"] for answer in finished["answers"]) == [1, 1, 2], "each once"
    assert page.get_log("browser") == []


def test_the_blind_test_is_stopped_and_taken_again(long_page: Any) -> None:
    page = long_page
    begin_blind_test(page)
    choose(page, real_one(page))
    blind(page, "stop").click()
    assert blind(page, "verdict").text.startswith("You were right in 1 of 1: 100 %")
    blind(page, "again").click()
    assert clips(page)
    assert blind(page, "progress").text == "Pair 1 of 3"
    choose(page, other(real_one(page)))
    blind(page, "stop").click()
    assert blind(page, "verdict").text.startswith("You were right in 0 of 1: 0 %")
    assert blind(page, "earlier").text.startswith("Earlier rounds: 1 of 1 right.")


def test_nothing_but_the_music_tells_which_is_real(long_page: Any) -> None:
    page = long_page
    begin_blind_test(page)
    seen: set[float] = set()
    for draw, real in ((0.0, "a"), (0.99, "b"), (0.99, "b")):
        # The lot decides: it is drawn for the pair shown next.
        page.execute_script("Math.random = () => arguments[0]", draw)
        if not seen:
            blind(page, "stop").click()
            blind(page, "start").click()
        (one, rate_hz), (second, second_rate_hz) = clips(page)
        assert (len(one), rate_hz) == (len(second), second_rate_hz)
        levels = [loudness_lkfs(clip, rate_hz) for clip in (one, second)]
        assert levels[0] == pytest.approx(levels[1], abs=0.1)
        assert one[0] == second[0] == one[-1] == second[-1] == 0, "no click"
        assert real_one(page) == real
        section = page.find_element("id", "blind")
        shown = section.text.replace("A is real", "").replace("B is real", "").split("Pair")[1]
        assert "real" not in shown
        assert "generated" not in shown
        seen.add(len(one) / rate_hz)
        page.execute_script("Math.random = () => arguments[0]", 0.99)
        choose(page, "a")
    assert seen == {5.0, 4.0}


def test_choosing_waits_until_both_are_heard_and_one_thing_plays_at_a_time(long_page: Any) -> None:
    page = long_page
    begin_blind_test(page)
    assert clips(page)
    assert not blind(page, "choose-a").is_enabled()
    paused = "return [...document.querySelectorAll('#blind audio')].map(player => player.paused)"
    blind(page, "play-a").click()
    wait_for(lambda: page.execute_script(paused) == [False, True])
    assert not blind(page, "choose-a").is_enabled()
    assert blind(page, "play-a").get_attribute("aria-pressed") == "true"
    blind(page, "play-b").click()
    wait_for(lambda: page.execute_script(paused) == [True, False])
    assert blind(page, "choose-a").is_enabled()
    assert blind(page, "choose-b").is_enabled()
    page.execute_script("document.querySelector('audio[controls]').play()")
    wait_for(lambda: page.execute_script(paused) == [True, True])
    blind(page, "play-b").click()
    wait_for(lambda: players(page, "paused")[0] is True)


def test_the_statistics_of_the_blind_test_are_known_ones(page: Any) -> None:
    for right, n in ((0, 1), (1, 1), (12, 16), (16, 16), (5, 16), (40, 100)):
        chance, interval = page.execute_script(
            "return [chance(arguments[0], arguments[1]), interval(arguments[0], arguments[1])]",
            right, n,
        )  # fmt: skip
        expected = binomtest(right, n, alternative="greater")
        assert chance == pytest.approx(expected.pvalue)
        wilson = binomtest(right, n).proportion_ci(method="wilson")
        assert interval == pytest.approx([wilson.low, wilson.high], abs=1e-6)


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
        "return [...document.querySelectorAll('audio[controls]')].map(p =>"
        " p.getAttribute('aria-labelledby').split(' ')"
        " .map(id => document.getElementById(id).textContent).join(' '))"
    )
    assert names[1] == f"Sample 1: after {HOSTILE_NAME} Generated"
    page.find_element("css selector", "details.card > summary").send_keys("\ue007")  # Enter
    assert page.find_element("css selector", "details.card").get_attribute("open") is not None


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
