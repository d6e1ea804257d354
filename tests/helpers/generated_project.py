"""A small project as the generate stage leaves it: a corpus, two samples, metrics and a history."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml

from params import write_params
from soundloom.audio.files import write_audio
from soundloom.common.channels import in_channels
from soundloom.common.io import write_json, write_text
from soundloom.corpus.files import write_manifest
from soundloom.corpus.manifest import Clip, Manifest, Rejected
from soundloom.figures.distances import draw_distances
from soundloom.figures.spectrograms import draw_frames

HOSTILE_NAME = '<script>alert(1)</script> & "it\'s" {{ 7 * 7 }}'
LONG_NAME = "my" + 40 * "_long" + "_riff.wav"
# Whatever a recording may be called: 255 bytes are the most that file systems allow.
HOSTILE_NAMES = (
    HOSTILE_NAME,
    "</title></script><img src=x onerror=alert(1)>",
    "javascript:alert(1)//\" onmouseover='alert(1)",
    "two\nlines\tand\rthree",
    "🎸 名前 – Motörhead",
    85 * "名",
    "100%25 #1?a=b&c=d;",
    "-rf",
    ".hidden",
    "{{ 7 * 7 }}{% raw %}&lt;b&gt;",
    "\u202egnp.exe\x1b[31m",
)
LONG_LICENCE = "CC BY-SA 3.0\n\nYou are free to <share>."

# Seconds of every sound, in the order of the page.
SECONDS = (1.0, 2.5, 2.25, 1.0, 2.5)
HISTORY = """\
epoch,loss,val_loss,learning_rate
1,0.40,0.42,0.001
2,0.20,0.25,0.001
3,0.10,0.30,0.001
"""


def make_project(folder: Path) -> None:
    """Fill ``folder``. The second sample continues the user's own file: nothing real follows it."""
    write_params(folder)
    clips = (
        Clip("rock/rock.00000.wav", HOSTILE_NAME, 0, 660_000, "Ann <b>", LONG_LICENCE, "00"),
        Clip("rock/rock.00001.wav", HOSTILE_NAME, 660_000, 330_000, "Ann <b>", LONG_LICENCE, "01"),
        Clip("rock/rock.00002.wav", "track_02", 0, 660_000, None, None, "02"),
    )
    rejected = (Rejected("bad.wav", "holds no samples"),)
    manifest = Manifest("builtin", "rock", 22_000, clips, rejected)
    write_manifest(folder / "data/raw/manifest.json", manifest)
    generated = folder / "data/generated"
    for number, (prompt_s, sample_s, real_s) in enumerate([SECONDS[:3], (*SECONDS[3:], 0.0)]):
        write_sound(generated, "prompts", f"prompt_{number:02d}", prompt_s, 22_050)
        write_sound(generated, "samples", f"sample_{number:02d}", sample_s, 44_100, channels=2)
        if real_s:
            write_sound(generated, "real", f"real_{number:02d}", real_s, 22_050)
    write_json(
        generated / "generated.json",
        {
            "samples": [
                entry("00", real="real_00", recording=HOSTILE_NAME, clip="rock.00001"),
                entry("01", real=None, recording=LONG_NAME, clip=None),
            ]
        },
    )
    write_json(folder / "metrics/train.json", {"loss": 0.123456789, "epochs": 3})
    looks = {f"clip_{n:02d}": {"tempo_bpm": 117.454 + n, "n_samples": 7} for n in range(2)}
    write_json(folder / "metrics/explore.json", looks)
    write_text(folder / "metrics/history.csv", HISTORY)


def finish_project(folder: Path, trained: str = "30de1") -> None:
    """Add what :func:`make_project` leaves out: then the variant, trained as named, can be read."""
    write_json(folder / "metrics/spectrogram.json", {"n_frames": 12})
    write_json(folder / "metrics/generate.json", {"peak": 0.5})
    add_evaluation(folder)
    stages = {
        "download": {"outs": [{"path": "data/raw", "md5": "da7a.dir"}]},
        "train": {"outs": [{"path": "models/generator", "md5": trained}]},
    }
    write_text(folder / "dvc.lock", yaml.safe_dump({"schema": "2.0", "stages": stages}))


def add_evaluation(folder: Path) -> None:
    """Add what the reference and evaluate stages leave: numbers, tags, a picture, one pair."""
    numbers = {"fad": 20.5, "rhythm": {"ratio": 1.5, "tempo_bpm_distance": 0.5}}
    write_json(folder / "metrics/evaluate.json", numbers)
    write_json(folder / "metrics/reference.json", {"real": {"fad": 5.25}, "noise": {"fad": 190.0}})
    tags = {"held_out": ["rock", "metal"], "training": ["rock", "punk"], "noise": ["dance"]}
    write_json(folder / "data/reference/tags.json", tags)
    evaluated = folder / "data/evaluated"
    write_json(evaluated / "tags.json", {"generated": ["metal", "rock"]})
    draw_distances(evaluated / "figures/distances.png", {"generated": {"fad": 20.5, "kad": 60.0}})
    for kind in ("generated", "training"):
        write_sound(evaluated, "pairs", f"pair_00_{kind}", 0.5, 22_050)
    pair = {"correlation": 0.625, "sample": "sample_01", "sample_seconds": 1.25}
    of_training = {"recording": HOSTILE_NAME, "recording_seconds": 12.5}
    write_json(evaluated / "pairs/pairs.json", [pair | of_training])


def entry(number: str, **known: object) -> dict[str, object]:
    """An entry of generated.json."""
    names = {"name": f"sample_{number}", "prompt": f"prompt_{number}"}
    return {**names, **known, "offset_seconds": 12.5, "seed": int(number)}


def write_sound(
    folder: Path, kind: str, name: str, seconds: float, rate_hz: int, channels: int = 1
) -> None:
    """Write a tone as WAV, and a picture to go with it."""
    times_s = np.arange(round(seconds * rate_hz)) / rate_hz
    tone = 0.3 * np.sin(2 * np.pi * 330 * times_s)
    write_audio(folder / kind / f"{name}.wav", in_channels(tone, channels), rate_hz)
    # One picture serves all: drawing is what takes time here, and not what these tests are about.
    first = folder / "spectrograms" / "prompt_00.png"
    if not first.exists():
        frames = np.tile(np.linspace(0, 1, 40, dtype=np.float32), (86, 1))
        draw_frames(first, frames, np.geomspace(50, 10_000, 40), 86.0)
    first.with_name(f"{name}.png").write_bytes(first.read_bytes())
