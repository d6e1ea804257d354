"""What the stage reads: the audio of a part of the split, and no other."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from soundloom.audio.files import write_audio
from soundloom.common.paths import RAW_FOLDER, SPLIT_FILE
from soundloom.corpus.files import write_split
from soundloom.corpus.manifest import Clip, Manifest
from soundloom.corpus.split import Segment
from soundloom.stages.reference import part_audio


def test_the_audio_of_a_part_is_its_segments(project: Path) -> None:
    rate_hz = 8000
    clips = {
        name: np.random.default_rng(seed).integers(-(2**15), 2**15, rate_hz) / 2**15
        for seed, name in enumerate(("rock.00000", "rock.00001"))
    }
    for name, samples in clips.items():
        write_audio(project / RAW_FOLDER / f"rock/{name}.wav", samples.astype(np.float32), rate_hz)
    write_split(
        SPLIT_FILE,
        [
            Segment("rock.00000", 0, 3000, "train"),
            Segment("rock.00000", 4000, 6000, "test"),
            Segment("rock.00000", 7000, 8000, "train"),
            Segment("rock.00001", 0, 8000, "train"),
        ],
    )
    manifest = Manifest(
        "folder",
        "rock",
        rate_hz,
        tuple(Clip(f"rock/{name}.wav", name, 0, rate_hz, None, None, "") for name in clips),
    )
    training, test = part_audio(manifest, "train"), part_audio(manifest, "test")
    assert list(training) == ["rock.00000@0", "rock.00000@7000", "rock.00001@0"]
    assert np.array_equal(training["rock.00000@7000"], clips["rock.00000"][7000:])
    assert list(test) == ["rock.00000@4000"]
    assert np.array_equal(test["rock.00000@4000"], clips["rock.00000"][4000:6000])
