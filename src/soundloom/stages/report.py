"""Stage ``report``: everything a variant made, on one page to listen to."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from soundloom.audio.samples import resample
from soundloom.common.errors import SoundloomError
from soundloom.common.io import read_json, read_rows, written_aside
from soundloom.common.params import read_params
from soundloom.common.paths import (
    EVALUATED_FOLDER,
    GENERATED_FOLDER,
    HISTORY_FILE,
    LISTEN_FILE,
    REFERENCE_FOLDER,
    metrics_file,
)
from soundloom.corpus.files import read_manifest
from soundloom.evaluation.config import FIRST_EAR
from soundloom.reporting.blind import N_PAIRS, choose_pairs
from soundloom.reporting.media import encode_mp3, encode_webp, mp3_rate_hz
from soundloom.reporting.page import Evaluation, Pair, Sample, Sound, render

# How much of anything is on the page, so that it opens on a telephone whatever was generated: the
# rest is in the files it links to.
MAX_SAMPLES = 25
MAX_SECONDS = 120.0
MAX_PROMPT_SECONDS = 10.0  # its end, which leads into what follows

# In the order shown. Each is a dependency of the stage in dvc.yaml.
METRICS_FILES = {
    "Generated audio": metrics_file("generate"),
    "Training": metrics_file("train"),
    "Spectrogram round trip": metrics_file("spectrogram"),
    "Clips looked at": metrics_file("explore"),
}


def main() -> None:
    """Gather samples, parameters and metrics; write ``reports/listen.html``."""
    shown = read_params().items()
    params = {name: section for name, section in shown if name not in ("track", "compute")}
    metrics = {title: read_json(path) for title, path in METRICS_FILES.items() if path.exists()}
    manifest = read_manifest()
    entries = read_json(GENERATED_FOLDER / "generated.json")["samples"]
    shown = entries[:MAX_SAMPLES]
    # One rate for all, so that it gives nothing away in the blind test: the corpus's, above which
    # there is nothing to hear.
    rate_hz = mp3_rate_hz(manifest.sample_rate_hz)
    page = render(
        manifest,
        load_samples(shown, rate_hz),
        params,
        metrics,
        load_history(HISTORY_FILE),
        load_evaluation(rate_hz),
        n_more=len(entries) - len(shown),
    )
    with (
        written_aside(LISTEN_FILE) as aside,
        aside.open("w", encoding="utf-8", newline="\n") as file,
    ):
        file.writelines(page)


def load_samples(entries: Sequence[Mapping[str, Any]], rate_hz: int) -> Iterator[Sample]:
    """Read the sounds and pictures that entries of ``generated.json`` name, one after another."""
    n_left = N_PAIRS
    for number, entry in enumerate(entries):
        prompt, prompt_samples = load_sound(
            GENERATED_FOLDER, "prompts", entry["prompt"], rate_hz, its_end=MAX_PROMPT_SECONDS
        )
        generated, samples = load_sound(GENERATED_FOLDER, "samples", entry["name"], rate_hz)
        real, really = None, {"prompt": prompt_samples}
        if entry["real"]:
            real, really["real"] = load_sound(GENERATED_FOLDER, "real", entry["real"], rate_hz)
        wanted = math.ceil(n_left / (len(entries) - number))
        pairs = choose_pairs(really, samples, rate_hz, wanted)
        n_left -= len(pairs)
        yield Sample(entry, prompt, generated, real, pairs)


def load_sound(
    folder: Path, kind: str, name: str, rate_hz: int, *, its_end: float | None = None
) -> tuple[Sound, np.ndarray]:
    """Read ``<kind>/<name>.wav`` and, where there is one, ``spectrograms/<name>.png``.

    Of a long file its beginning, or ``its_end``, in seconds. Returns the sound, and what can be
    heard in it as samples, ``(n_samples,)`` at ``rate_hz``.
    """
    path, picture = folder / kind / f"{name}.wav", folder / "spectrograms" / f"{name}.png"
    try:
        with soundfile.SoundFile(path) as file:
            n_shown = min(file.frames, round((its_end or MAX_SECONDS) * file.samplerate))
            start = file.frames - n_shown if its_end else 0
            file.seek(start)
            samples = file.read(n_shown, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise SoundloomError(f"{path}: cannot be read as audio ({error})") from None
    samples = resample(samples, file.samplerate, rate_hz)
    sound = Sound(
        mp3=encode_mp3(samples, rate_hz),
        start_seconds=start / file.samplerate,
        seconds=n_shown / file.samplerate,
        file_seconds=file.frames / file.samplerate,
        link=Path(os.path.relpath(path, LISTEN_FILE.parent)).as_posix(),
        picture_webp=encode_webp(picture.read_bytes()) if picture.exists() else None,
    )
    return sound, samples.mean(axis=1)


def load_evaluation(rate_hz: int) -> Evaluation | None:
    """Read what was measured of the generated audio and of the controls, if it was."""
    if not metrics_file("evaluate").exists():
        return None
    tags = read_json(REFERENCE_FOLDER / "tags.json") | read_json(EVALUATED_FOLDER / "tags.json")
    pairs = EVALUATED_FOLDER / "pairs"
    return Evaluation(
        first_ear=FIRST_EAR,
        sets={
            "generated": read_json(metrics_file("evaluate")),
            **read_json(metrics_file("reference")),
        },
        tags={name: tags[name] for name in ("generated", "held_out", "training")},
        picture_png=(EVALUATED_FOLDER / "figures" / "distances.png").read_bytes(),
        pairs=[
            Pair(
                entry,
                *(
                    load_sound(EVALUATED_FOLDER, "pairs", f"pair_{number:02d}_{kind}", rate_hz)[0]
                    for kind in ("generated", "training")
                ),
            )
            for number, entry in enumerate(read_json(pairs / "pairs.json"))
        ],
    )


def load_history(path: Path) -> dict[str, list[float]]:
    """Read the columns of a CSV of numbers; nothing where the file is absent."""
    if not path.exists():
        return {}
    rows = read_rows(path)
    return {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
