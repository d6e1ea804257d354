"""The page's server: what it answers, to whom, and how it tells what it is doing.

It answers the page it served alone. Uploads and takes lie in a folder that ends with the server;
of the project, only held-out prompts and models are read, by names that it listed itself.
"""

from __future__ import annotations

import json
import queue
import re
import threading
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator
from importlib import resources
from itertools import count
from pathlib import Path, PurePosixPath
from textwrap import shorten
from typing import Any

from flask import Flask, Response, abort, render_template, request, send_file

from soundloom.audio.files import AUDIO_SUFFIXES
from soundloom.common.errors import SoundloomError, first_line
from soundloom.common.paths import GENERATED_FOLDER
from soundloom.demo.models import Models
from soundloom.demo.takes import ENDINGS, SOUNDS, Take, Takes
from soundloom.generation.config import GenerateConfig
from soundloom.generation.files import own_model, why_not_own

MAX_UPLOAD_BYTES = 1 << 30
_MEDIA_TYPES = {
    ".wav": "audio/wav", ".flac": "audio/flac", ".mp3": "audio/mpeg", ".ogg": "audio/ogg",
    ".png": "image/png",
}  # fmt: skip
_KNOBS: dict[str, Callable[[str], Any]] = {"seconds": float, "temperature": float, "seed": int}
# Of a file's name on the page; what is said of the file is to find room beside it.
_MAX_NAME_LENGTH = 100
# How often at most a take tells how far it is.
_PARTS = 100
_HEADERS = {
    # blob: is what was dropped or recorded, before it is sent.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; media-src 'self' blob:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

Tell = Callable[[dict[str, Any]], None]


class _Left(Exception):
    """Nobody waits for the take any more."""


def create_app(folder: Path) -> Flask:
    """The server of the project in the working directory; ``folder`` is empty and its own."""
    app = Flask(__name__)
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_UPLOAD_BYTES,
        # Against pages elsewhere that have a browser ask this server by a name of theirs.
        TRUSTED_HOSTS=["127.0.0.1", "localhost"],
    )
    models, takes = Models(folder / "models"), Takes(folder / "takes")
    uploads = folder / "uploads"
    uploads.mkdir(parents=True)
    numbers = count(1)
    working = threading.Lock()  # a take takes all of the processor

    @app.before_request
    def refuse_other_pages() -> None:
        if request.headers.get("Origin", request.host_url[:-1]) != request.host_url[:-1]:
            abort(403)

    @app.after_request
    def with_headers(response: Response) -> Response:
        response.headers.update(_HEADERS)
        return response

    @app.errorhandler(SoundloomError)
    def said(error: SoundloomError) -> tuple[dict[str, str], int]:
        return {"error": first_line(error)}, 400

    @app.errorhandler(413)
    def too_large(_: Exception) -> tuple[dict[str, str], int]:
        return {"error": f"the file has more than {MAX_UPLOAD_BYTES >> 20} MB; cut it"}, 413

    @app.get("/")
    def page() -> str:
        defaults = GenerateConfig.load()
        return render_template(
            "page.html",
            defaults=defaults,
            held_out=sorted(_held_out()),
            endings=AUDIO_SUFFIXES,
            own_model=own_model().as_posix(),
            not_trained=why_not_own(),
        )

    @app.get("/palette.css")
    def palette() -> Response:
        """The colours of the listening page."""
        file = resources.files("soundloom.reporting") / "palette.css"
        return Response(file.read_text(encoding="utf-8"), mimetype="text/css")

    @app.get("/runs")
    def list_runs() -> dict[str, Any]:
        try:
            return {"runs": models.runs()}
        except SoundloomError as error:  # as where nothing was tracked yet
            return {"runs": {}, "problem": first_line(error)}

    @app.get("/held-out/<name>")
    def held_out(name: str) -> Response:
        return _sent(_held_out().get(name))

    @app.get("/takes")
    def list_takes() -> list[dict[str, Any]]:
        return [_described(take) for take in takes.all()]

    @app.get("/takes/<int:number>/<name>")
    def sound(number: int, name: str) -> Response:
        asked = PurePosixPath(name)
        return _sent(takes.file(number, asked.stem, asked.suffix))

    @app.delete("/takes/<int:number>")
    def remove(number: int) -> tuple[str, int]:
        takes.remove(number)
        return "", 204

    @app.post("/takes")
    def make() -> Response:
        """Lines of JSON: ``step``, ``done``, ``of`` as it goes on; then ``take`` or ``error``."""
        upload = request.files.get("prompt")
        if upload is None or not upload.filename:
            raise SoundloomError("there is no recording to continue: drop one, or record one")
        options = {knob: _number(knob, read) for knob, read in _KNOBS.items()}
        run = request.form.get("run", "")
        # The file's name may be anything: what is said of it has the name, its path has not.
        name = shorten(upload.filename, _MAX_NAME_LENGTH, placeholder="…")
        ending = re.search(r"\.\w{1,8}$|$", name, re.ASCII)
        recording = uploads / f"{next(numbers)}{ending and ending[0]}"
        upload.save(recording)

        def work(tell: Tell) -> dict[str, Any]:
            tell({"step": "waiting for the take before"})
            try:
                with working:
                    tell({"step": "reading the prompt, starting the model"})
                    generator, model = models.find(run)
                    take = takes.make(
                        recording, generator, options,
                        name=name, model=model, progress=_telling(tell),
                    )  # fmt: skip
            except (SoundloomError, OSError) as error:
                raise SoundloomError(str(error).replace(str(recording), name)) from error
            finally:
                recording.unlink()
            return _described(take)

        return Response(told(work), mimetype="application/x-ndjson")

    return app


def _held_out() -> dict[str, Path]:
    """Prompts of held-out audio, by the names of their files: for who has no riff at hand."""
    return {path.name: path for path in (GENERATED_FOLDER / "prompts").glob("*.wav")}


def _sent(path: Path | None) -> Response:
    if path is None:
        abort(404)
    # In parts where a browser asks for parts, as it does to move in a sound.
    return send_file(path.resolve(), mimetype=_MEDIA_TYPES[path.suffix], conditional=True)


def _number(knob: str, read: Callable[[str], Any]) -> Any:
    text = request.form.get(knob, "")
    try:
        return read(text)
    except ValueError:
        kind = "a whole number" if read is int else "a number"
        raise SoundloomError(f"{knob} is {text[:80]!r}; it must be {kind}") from None


def _described(take: Take) -> dict[str, Any]:
    """A take as the page shows it."""
    return {
        "number": take.number,
        "recording": take.recording,
        "model": take.model,
        **{knob: getattr(take.config, knob) for knob in _KNOBS},
        "notes": take.notes,
        "sounds": SOUNDS,
        "endings": ENDINGS,
    }


def _telling(tell: Tell) -> Callable[[range], Iterable[int]]:
    """A way through the steps of a model that tells now and then how far it is."""

    def through(steps: range) -> Iterator[int]:
        for done, step in enumerate(steps):
            if done % max(1, len(steps) // _PARTS) == 0:
                tell({"step": "composing", "done": done, "of": len(steps)})
            yield step
        tell({"step": "making it sound, drawing"})

    return through


def told(work: Callable[[Tell], dict[str, Any]]) -> Generator[str]:
    """What ``work`` tells, a line of JSON each, then its ``take`` or ``error``.

    When the browser leaves, or its user has had enough, ``work`` ends the next time it tells.
    """
    told: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    left = threading.Event()

    def tell(what: dict[str, Any]) -> None:
        if left.is_set():
            raise _Left
        told.put(what)

    def run() -> None:
        try:
            told.put({"take": work(tell)})
        except _Left:
            pass
        except SoundloomError as error:
            told.put({"error": first_line(error)})
        except MemoryError:
            told.put({"error": "not enough memory; ask for fewer seconds"})
        except Exception as error:  # a fault of this program: whole in the terminal
            traceback.print_exc()
            told.put({"error": f"something is wrong here: {first_line(error)}; see the terminal"})

    threading.Thread(target=run, daemon=True).start()
    try:
        while True:
            what = told.get()
            yield json.dumps(what) + "\n"
            if "take" in what or "error" in what:
                return
    finally:
        left.set()
