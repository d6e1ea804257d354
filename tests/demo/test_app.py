"""What the page's server answers, and what it refuses; no model is run here."""

from __future__ import annotations

import io
import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from generated_project import HOSTILE_NAMES
from params import write_params
from recordings import music
from small_models import RATE_HZ, small_codec
from soundloom.audio.files import AUDIO_SUFFIXES
from soundloom.common.errors import SoundloomError
from soundloom.demo.app import Tell, create_app, told
from soundloom.spectral.files import write_codec

WANTED = {"seconds": "3", "temperature": "1", "seed": "3", "run": ""}


@pytest.fixture
def client(project: Path, tmp_path: Path) -> Any:
    """The server of a project that has a codec, and no model."""
    write_params(project)
    folder = project / "models/generator"
    folder.mkdir(parents=True)
    write_codec(folder, small_codec())
    return create_app(tmp_path / "own").test_client()


def wav(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, RATE_HZ, format="WAV", subtype="FLOAT")
    return file.getvalue()


@pytest.fixture
def error(client: Any, tmp_path: Path) -> Callable[..., str]:
    """Ask for a take, which must come to nothing; returns the last line, and nothing is kept."""

    def ask(content: bytes | None, name: str = "riff.wav", **wanted: str) -> str:
        data = (
            WANTED | wanted | ({} if content is None else {"prompt": (io.BytesIO(content), name)})
        )
        answer = client.post("/takes", data=data, content_type="multipart/form-data")
        *_, last = answer.text.splitlines()
        assert list((tmp_path / "own/uploads").iterdir()) == []
        assert client.get("/takes").json == []
        text = json.loads(last)["error"]
        assert "\n" not in text
        assert "uploads" not in text
        return text

    return ask


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no sound at all", "riff.wav: cannot be read as audio (Format not recognised)"),
        (b"", "riff.wav: empty file"),
        (wav(np.zeros(2 * RATE_HZ)), "riff.wav: its last 1 s are silent"),
        (wav(music(1, RATE_HZ)[:600]), "riff.wav: the prompt is 0.027 s long; it must have"),
        (None, "there is no recording to continue"),
    ],
)
def test_what_cannot_be_continued_is_said_in_one_line(
    content: bytes | None, reason: str, error: Callable[..., str]
) -> None:
    assert reason in error(content)


def test_a_project_without_a_model_says_how_to_come_by_one(error: Callable[..., str]) -> None:
    Path("models/generator/codec.json").unlink()
    assert error(wav(music(1, RATE_HZ))) == (
        "models/generator/codec.json: no such file; `dvc repro` makes it"
    )


def test_the_page_says_which_model_is_used_until_one_is_trained(client: Any, project: Path) -> None:
    assert "not-trained" not in client.get("/").text
    (project / "models/generator").rename(project / "models/base")
    said = "no model has been trained here yet, so models/base is used: `make repro` trains one"
    assert said in client.get("/").text
    (project / "models/base").rename(project / "models/other")
    assert "here yet, so none can be used: `make repro` trains one" in client.get("/").text


def test_files_are_offered_by_all_endings_that_are_read(client: Any) -> None:
    (accepted,) = re.findall(r'accept="([^"]*)"', client.get("/").text)
    assert {*AUDIO_SUFFIXES} <= {*accepted.split(",")}
    assert {".mkv", ".mp4", ".webm", ".avi", ".mov"} <= {*AUDIO_SUFFIXES}


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ({"temperature": "9"}, "generate.temperature is 9.0; it must be less than or equal to 2"),
        ({"seconds": "2"}, "generate.seconds is 2.0; it must be greater than or equal to 3"),
        ({"seconds": "nan"}, "generate.seconds is nan; it must be a finite number"),
        ({"seconds": "ten"}, "seconds is 'ten'; it must be a number"),
        ({"seed": "-1"}, "generate.seed is -1; it must be greater than or equal to 0"),
        ({"seed": "1.5"}, "seed is '1.5'; it must be a whole number"),
        ({"seed": 5000 * "9"}, "it must be a whole number"),
        (
            {"run": "../../etc"},
            "mlflow.db: no such file: nothing has been tracked there yet; `make",
        ),
    ],
)
def test_what_cannot_be_asked_for_is_named(
    wanted: dict[str, str], reason: str, error: Callable[..., str]
) -> None:
    assert reason in error(wav(music(1, RATE_HZ)), **wanted)


# Browsers write line feeds in names otherwise: as %0A.
NAMES = [name.replace("\n", "%0A").replace("\r", "%0D") for name in HOSTILE_NAMES]


@pytest.mark.parametrize("name", [*NAMES, "../../riff.wav", "/etc/passwd", "a" * 300])
def test_a_file_may_be_called_anything(name: str, error: Callable[..., str]) -> None:
    assert error(b"no sound at all", name).endswith(
        ": cannot be read as audio (Format not recognised)"
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:8000"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
    ],
)
def test_pages_elsewhere_are_refused(client: Any, headers: dict[str, str]) -> None:
    assert client.post("/takes", headers=headers).status_code in (400, 403)
    assert client.delete("/takes/1", headers=headers).status_code in (400, 403)
    assert client.delete("/takes/1", headers={"Origin": "http://localhost"}).status_code == 204


@pytest.mark.parametrize(
    "path",
    [
        "/takes/1/joined.wav", "/takes/1/..%2f..%2fparams.yaml", "/held-out/params.yaml",
        "/held-out/..%2f..%2f..%2fparams.yaml", "/static/../app.py", "/static/..%2fapp.py",
        "/params.yaml",
    ],
)  # fmt: skip
def test_no_file_is_given_away(client: Any, path: str) -> None:
    assert client.get(path).status_code == 404


def test_the_page_and_its_parts_come_from_here_alone(client: Any) -> None:
    for path in ("/", "/static/page.js", "/static/page.css", "/palette.css"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "https://" not in answer.text
        assert "http://" not in answer.text


def test_held_out_prompts_are_offered_by_name(client: Any, project: Path) -> None:
    prompts = project / "data/generated/prompts"
    prompts.mkdir(parents=True)
    (prompts / "prompt_00.wav").write_bytes(b"sound")
    assert "<option>prompt_00.wav</option>" in client.get("/").text
    assert client.get("/held-out/prompt_00.wav").data == b"sound"


def test_a_project_without_runs_says_why(client: Any) -> None:
    answer = client.get("/runs").json
    assert answer["runs"] == {}
    said = "mlflow.db: no such file: nothing has been tracked there yet; `make repro` trains a mod"
    assert said in answer["problem"]


def test_a_fault_of_the_program_is_told_too(capsys: pytest.CaptureFixture[str]) -> None:
    def work(_: Tell) -> dict[str, Any]:
        raise KeyError("lost")

    (line,) = told(work)
    assert json.loads(line) == {"error": "something is wrong here: 'lost'; see the terminal"}
    assert "Traceback" in capsys.readouterr().err


def test_work_that_nobody_waits_for_ends() -> None:
    ended = threading.Event()

    def work(tell: Tell) -> dict[str, Any]:
        try:
            while True:
                tell({"step": "composing"})
        finally:
            ended.set()

    lines = told(work)
    assert json.loads(next(lines)) == {"step": "composing"}
    assert isinstance(lines, Iterator)
    lines.close()  # as the server does when the browser is gone
    assert ended.wait(60)


def test_an_error_of_the_users_is_told_as_it_is() -> None:
    def work(tell: Tell) -> dict[str, Any]:
        tell({"step": "reading"})
        raise SoundloomError("riff.wav: two\nlines")

    assert [json.loads(line) for line in told(work)] == [
        {"step": "reading"},
        {"error": "riff.wav: two"},
    ]
