"""What set-up compiles is all that the pipeline needs compiled."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from params import REPOSITORY

# Everything that hears or makes audio with librosa.
PIPELINE = """
from signals import RATE_HZ, clicks, sine
from params import small_config
from soundloom.evaluation.features import describe
from soundloom.evaluation.metrics.log_mel import log_mel
from soundloom.evaluation.tagger import Tagger
from soundloom.explore.look import look_at
from soundloom.spectral.codec import FrameCodec

config = small_config()
samples = 0.5 * clicks(120.0, 6.0)[0] + 0.2 * sine(220.0, 6.0)
describe(samples, RATE_HZ)
log_mel(samples, RATE_HZ)
look_at(samples, RATE_HZ, config.explore)
Tagger.load()(samples, RATE_HZ, 1.0)
extremes = FrameCodec.level_range(samples, config.spectrogram, RATE_HZ)
codec = FrameCodec.fit([extremes], config.spectrogram, RATE_HZ)
codec.decode(codec.encode(samples))
"""


def compiled(*command: str) -> set[str]:
    """Files of Numba's cache that Python loads, or writes, as it runs what ``command`` says."""
    environment = {
        **os.environ,
        "NUMBA_DEBUG_CACHE": "1",
        "PYTHONPATH": os.pathsep.join(str(REPOSITORY / name) for name in ("src", "tests/helpers")),
    }
    run = [sys.executable, *command]
    told = subprocess.run(
        run, cwd=REPOSITORY, env=environment, check=True, capture_output=True, text=True
    )
    return set(re.findall(r"\[cache\] data (?:loaded from|saved to) '(.+)'", told.stdout))


def test_the_pipeline_finds_all_it_needs_compiled() -> None:
    filled = compiled("-m", "soundloom.commands.numba_cache")
    assert any("beat_track" in path for path in filled)
    needed = compiled("-c", PIPELINE)
    assert len(needed) > 10
    assert needed <= filled
