"""The page to play with, in a real browser: a riff in, takes out, by a small model."""

from __future__ import annotations

import base64
import io
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from browser import chromium
from params import REPOSITORY, write_params
from recordings import music, write_recording
from small_models import RATE_HZ, built, model_config, small_codec
from soundloom.commands.main import main
from soundloom.experiments.store import RunStore
from soundloom.experiments.variant import Dataset, Description, Variant
from tracked import give_store, model_files

pytestmark = pytest.mark.slow

ARTIFACTS = REPOSITORY / "test-artifacts"
# A beep a second, from a microphone that nobody is asked for.
MICROPHONE = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
PATIENCE_S = 120.0
RUN = "temperature 0.61"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project with a model and a run of it, as working directory, and a riff at full scale."""
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        write_params(folder)
        riff = np.clip(3 * music(3, RATE_HZ), -1, 1)
        soundfile.write(folder / "riff.wav", np.stack([riff, np.zeros_like(riff)], 1), RATE_HZ)
        write_recording(folder / "data/generated/prompts/prompt_00.wav", riff, RATE_HZ)
        generator = folder / "models/generator"
        generator.mkdir(parents=True)
        model = built("density")
        from soundloom.models.files import save_generator

        save_generator(generator, model, small_codec(), model_config("density"))
        give_store(folder)
        RunStore(folder, "soundloom").record(
            Variant(
                fingerprint="f" * 64,
                description=Description(name=RUN, params={}, tags={}),
                metrics={},
                history=(),
                dataset=Dataset("rock", "0"),
                artifacts=(("", folder / "params.yaml"), *model_files(sorted(generator.iterdir()))),
                stages={},
                workspace=folder,
            )
        )
        yield folder


@pytest.fixture(scope="module")
def url(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from werkzeug.serving import make_server

    from soundloom.demo.app import create_app

    app = create_app(tmp_path_factory.mktemp("own"))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    serving.join()


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile"), flags=MICROPHONE) as driver:
        yield driver


@pytest.fixture
def page(driver: Any, url: str) -> Iterator[Any]:
    """The page, freshly loaded, that asks for a second; what it told while it worked is noted."""
    driver.get_log("browser")  # Reading empties it.
    driver.get(url)
    driver.execute_script(
        """
        window.steps = [];
        const step = document.getElementById("step");
        new MutationObserver(() => steps.push(step.textContent)).observe(step, {childList: true});
        """
    )
    fill(driver, "seconds", "3")
    wait_for(lambda: f"{url}runs" in fetched(driver))  # after the takes that there are
    yield driver
    assert driver.get_log("browser") == []
    assert [
        name for name in fetched(driver) if not name.startswith((url, f"blob:{url}", "data:"))
    ] == []


def fetched(driver: Any) -> list[str]:
    """Addresses of what the page has loaded."""
    return driver.execute_script(
        "return performance.getEntriesByType('resource').map(entry => entry.name)"
    )


def wait_for(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return found


def find(page: Any, selector: str) -> list[Any]:
    return page.find_elements("css selector", selector)


def text(page: Any, selector: str) -> str:
    return find(page, selector)[0].text


def shows(page: Any, selector: str, wanted: str) -> bool:
    return text(page, selector) == wanted


def fill(page: Any, knob: str, value: str) -> None:
    (field,) = find(page, f"[name={knob}]")
    field.clear()
    field.send_keys(value)


def take(page: Any) -> Any:
    """Press the button; the take that comes of it, once its sounds and pictures are loaded."""
    n_before = len(find(page, ".take"))
    find(page, "#make")[0].click()
    wait_for(lambda: len(find(page, ".take")) > n_before or text(page, "#error"))
    assert text(page, "#error") == ""
    (newest, *_) = find(page, ".take")
    wait_for(
        lambda: page.execute_script(
            "return [...arguments[0].querySelectorAll('audio')].every(p => p.readyState > 0) &&"
            "[...arguments[0].querySelectorAll('img')].every(i => i.naturalWidth === 900)",
            newest,
        )
    )
    return newest


def seconds(page: Any, take: Any) -> list[float]:
    players = take.find_elements("css selector", "audio")
    return page.execute_script("return arguments[0].map(player => player.duration)", players)


def download(take: Any, sound: str, ending: str) -> bytes:
    (link,) = take.find_elements("css selector", f".{sound} a[href$='{ending}']")
    with urllib.request.urlopen(link.get_attribute("href"), timeout=60) as reply:
        return reply.read()


def test_takes_are_what_generate_writes_side_by_side_until_removed(page: Any, folder: Path) -> None:
    find(page, "#file")[0].send_keys(str(folder / "riff.wav"))
    fill(page, "seed", "3")
    first = take(page)
    assert first.find_element("css selector", "h2").text == "Take 1: riff.wav"
    assert "3 s · temperature 1 · seed 3" in first.text
    notes = first.find_element("css selector", ".notes").text
    assert notes == "its other channels are empty: only channel 1 of 2 is used"
    assert seconds(page, first) == pytest.approx([1.0, 3.0, 3.97], abs=0.01)
    steps = page.execute_script("return steps")
    assert any(step.startswith("composing: ") for step in steps)
    assert steps[-1] == "making it sound, drawing"

    asked = ["generate", "--prompt", "riff.wav", "--seconds", "3", "--seed", "3"]
    main([*asked, "--out", "new.wav"])
    main([*asked, "--out", "joined.flac", "--joined"])
    assert download(first, "continuation", ".wav") == Path("new.wav").read_bytes()
    assert download(first, "joined", ".flac") == Path("joined.flac").read_bytes()
    for ending in (".wav", ".flac", ".mp3", ".ogg"):
        samples, rate_hz = soundfile.read(io.BytesIO(download(first, "joined", ending)))
        assert len(samples) / rate_hz == pytest.approx(3.97, abs=0.06)
    (link,) = first.find_elements("css selector", ".joined a[href$='.mp3']")
    assert link.get_attribute("download") == "riff-seed3-joined.mp3"

    # The next seed, by a run's model: the same one, so another seed alone makes it another take.
    option = f"//option[normalize-space()='{RUN}']"
    wait_for(lambda: page.find_elements("xpath", option))[0].click()
    second = take(page)
    assert f"{RUN} · 3 s · temperature 1 · seed 4" in second.text
    assert second.rect["y"] == first.rect["y"]
    assert second.rect["x"] < first.rect["x"]
    sounds = {download(one, "continuation", ".wav") for one in (first, second)}
    assert len(sounds) == 2
    main([*asked[:-1], "4", "--out", "other.wav"])
    assert Path("other.wav").read_bytes() in sounds

    page.execute_script("document.querySelectorAll('.take audio')[0].play()")
    wait_for(lambda: page.execute_script("return !document.querySelector('.take audio').paused"))
    shoot(page, "demo-wide", 1200)
    shoot(page, "demo-narrow", 360)
    page.refresh()
    wait_for(lambda: len(find(page, ".take")) == 2)
    find(page, ".take .remove")[0].click()
    wait_for(lambda: len(find(page, ".take")) == 1)
    page.refresh()
    wait_for(lambda: [title.text for title in find(page, ".take h2")] == ["Take 1: riff.wav"])


def shoot(page: Any, name: str, width: int) -> None:
    """A picture of the whole page, which must fit into ``width``."""
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    root = "document.documentElement"
    size = page.execute_script(f"return [{root}.scrollWidth, {root}.scrollHeight]")
    assert size[0] <= width
    clip = {"x": 0, "y": 0, "width": width, "height": size[1], "scale": 1}
    shot = page.execute_cdp_cmd(
        "Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip}
    )
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    ARTIFACTS.mkdir(exist_ok=True)
    (ARTIFACTS / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))


def test_what_is_recorded_is_continued(page: Any) -> None:
    find(page, "#record")[0].click()
    wait_for(lambda: text(page, "#record") == "stop recording")
    time.sleep(1.5)
    find(page, "#record")[0].click()
    wait_for(lambda: text(page, "#chosen-name") == "recording.wav")
    made = take(page)
    assert "recording.wav" in made.text
    assert seconds(page, made)[1] == pytest.approx(3.0, abs=0.01)


DROP = """
    const given = new DataTransfer();
    given.items.add(new File([arguments[0]], arguments[1]));
    document.dispatchEvent(new DragEvent("drop", {dataTransfer: given, cancelable: true}));
"""


def test_the_page_names_as_chosen_what_was_chosen_last(page: Any, folder: Path) -> None:
    (held_out,) = find(page, "#held-out")
    ways = {
        "prompt_00.wav": lambda: held_out.find_elements("css selector", "option")[1].click(),
        "riff.wav": lambda: find(page, "#file")[0].send_keys(str(folder / "riff.wav")),
        "dropped.wav": lambda: page.execute_script(DROP, "any", "dropped.wav"),
    }
    for name in (*ways, *ways, *reversed(ways)):  # each again, after each of the others
        ways[name]()
        wait_for(partial(shows, page, "#chosen-name", name))
        assert held_out.get_attribute("value") == ""
        assert find(page, "#file")[0].get_attribute("value") == ""


def test_what_is_wrong_is_one_line_on_the_page(page: Any) -> None:
    n_takes = len(find(page, ".take"))
    find(page, "#make")[0].click()
    error = wait_for(lambda: text(page, "#error"))
    assert error == "there is no recording to continue: drop one, or record one"
    name = "<b onclick=alert(1)>riff.wav"
    page.execute_script(DROP, "no sound at all", name)
    assert text(page, "#chosen-name") == name
    assert text(page, "#error") == ""
    find(page, "#make")[0].click()
    error = wait_for(lambda: text(page, "#error"))
    assert error == f"{name}: cannot be read as audio (Format not recognised)"
    assert find(page, "#make")[0].is_enabled()
    assert len(find(page, ".take")) == n_takes
