"""What the stage reads: the audio of segments, and no other."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from soundloom.audio.files import write_audio
from soundloom.common.paths import RAW_FOLDER
from soundloom.corpus.manifest import Clip, Manifest
from soundloom.corpus.split import Segment
from soundloom.stages.reference import audio_of, audio_of_runs


def test_the_audio_of_a_segment_is_cut_from_its_clip(project: Path) -> None:
    rate_hz = 8000
    clips = {
        name: np.random.default_rng(seed).integers(-(2**15), 2**15, rate_hz) / 2**15
        for seed, name in enumerate(("rock.00000", "rock.00001"))
    }
    for name, samples in clips.items():
        write_audio(project / RAW_FOLDER / f"rock/{name}.wav", samples.astype(np.float32), rate_hz)
    segments = [
        Segment("rock.00000", 0, 3000, "train"),
        Segment("rock.00000", 7000, 8000, "train"),
        Segment("rock.00001", 0, 8000, "train"),
    ]
    manifest = Manifest(
        "folder",
        "rock",
        rate_hz,
        tuple(Clip(f"rock/{name}.wav", name, 0, rate_hz, None, None, "") for name in clips),
    )
    audio = audio_of(segments, manifest)
    assert list(audio) == ["rock.00000@0", "rock.00000@7000", "rock.00001@0"]
    assert np.array_equal(audio["rock.00000@7000"], clips["rock.00000"][7000:])


def test_clips_that_follow_each_other_are_joined_where_they_make_a_minute(project: Path) -> None:
    rate_hz = 8000
    clip_samples = 30 * rate_hz
    rng = np.random.default_rng(0)
    song = (rng.integers(-(2**15), 2**15, 150 * rate_hz) / 2**15).astype(np.float32)
    starts_s = (0, 30, 60, 90, 120)
    names = [f"rock.{number:05d}" for number in range(6)]
    for name, start_s in zip(names, (*starts_s, 0), strict=True):
        clip = song[start_s * rate_hz :][:clip_samples]
        write_audio(project / RAW_FOLDER / f"rock/{name}.wav", clip, rate_hz)
    segments = [
        Segment(names[0], 0, clip_samples, "train"),
        Segment(names[1], 0, 10 * rate_hz, "train"),
        Segment(names[1], 20 * rate_hz, clip_samples, "train"),
        *(Segment(name, 0, clip_samples, "train") for name in names[2:]),
    ]
    clips = [
        Clip(f"rock/{name}.wav", "one song", start_s * rate_hz, clip_samples, None, None, "")
        for name, start_s in zip(names[:5], starts_s, strict=True)
    ]
    clips.append(Clip(f"rock/{names[5]}.wav", "another", 0, clip_samples, None, None, ""))
    manifest = Manifest("folder", "rock", rate_hz, tuple(clips))
    runs = audio_of_runs(segments, manifest)
    # 40 s, 10 s of the test part, then 100 s on end; 30 s of another song are no minute either.
    assert list(runs) == [f"rock.00001@{20 * rate_hz}"]
    (run,) = runs.values()
    assert np.array_equal(run, song[50 * rate_hz :])
    assert not audio_of_runs(segments[:2], manifest)
