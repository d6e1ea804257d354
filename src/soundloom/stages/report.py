"""Stage ``report``: everything a variant made, on one page to listen to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import soundfile

from soundloom.common.errors import SoundloomError
from soundloom.common.io import read_json, read_rows, write_text
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
from soundloom.reporting.page import Evaluation, Pair, Sample, Sound, encode_flac, render

# In the order shown. Each is a dependency of the stage in dvc.yaml.
METRICS_FILES = {
    "Generated audio": metrics_file("generate"),
    "Training": metrics_file("train"),
    "Spectrogram round trip": metrics_file("spectrogram"),
    "Clips looked at": metrics_file("explore"),
}


def main() -> None:
    """Gather samples, parameters and metrics; write ``reports/listen.html``."""
    params = {name: section for name, section in read_params().items() if name != "track"}
    metrics = {title: read_json(path) for title, path in METRICS_FILES.items() if path.exists()}
    entries = read_json(GENERATED_FOLDER / "generated.json")["samples"]
    samples = [load_sample(entry, GENERATED_FOLDER) for entry in entries]
    page = render(
        read_manifest(), samples, params, metrics, load_history(HISTORY_FILE), load_evaluation()
    )
    write_text(LISTEN_FILE, page)


def load_sample(entry: dict[str, Any], folder: Path) -> Sample:
    """Read the sounds and pictures that an entry of ``generated.json`` names."""
    return Sample(
        entry=entry,
        prompt=load_sound(folder, "prompts", entry["prompt"]),
        generated=load_sound(folder, "samples", entry["name"]),
        real=load_sound(folder, "real", entry["real"]) if entry["real"] else None,
    )


def load_sound(folder: Path, kind: str, name: str) -> Sound:
    """Read ``<kind>/<name>.wav`` and, where there is one, ``spectrograms/<name>.png``."""
    path, picture = folder / kind / f"{name}.wav", folder / "spectrograms" / f"{name}.png"
    try:
        samples, rate_hz = soundfile.read(path, dtype="int16", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise SoundloomError(f"{path}: cannot be read as audio ({error})") from None
    picture_png = picture.read_bytes() if picture.exists() else None
    return Sound(encode_flac(samples, rate_hz), len(samples) / rate_hz, picture_png)


def load_evaluation() -> Evaluation | None:
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
                load_sound(EVALUATED_FOLDER, "pairs", f"pair_{number:02d}_generated"),
                load_sound(EVALUATED_FOLDER, "pairs", f"pair_{number:02d}_training"),
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
