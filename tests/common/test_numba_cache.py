"""What set-up compiles is all that the pipeline needs compiled."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from params import REPOSITORY

# Everything that measures or makes audio with librosa.
PIPELINE = """
from signals import RATE_HZ, clicks, sine
from params import small_config
from soundloom.evaluation.features import describe
from soundloom.evaluation.metrics.log_mel import log_mel
from soundloom.evaluation.tagger import log_mel_windows
from soundloom.explore.look import look_at
from soundloom.spectral.codec import FrameCodec

config = small_config()
samples = 0.5 * clicks(120.0, 6.0)[0] + 0.2 * sine(220.0, 6.0)
describe(samples, RATE_HZ)
log_mel(samples, RATE_HZ)
look_at(samples, RATE_HZ, config.explore)
log_mel_windows(samples, RATE_HZ, 1.0)
extremes = FrameCodec.level_range(samples, config.spectrogram, RATE_HZ)
codec = FrameCodec.fit([extremes], config.spectrogram, RATE_HZ)
codec.decode(codec.encode(samples))
"""


# Said between what set-up compiles and what the pipeline then needs.
MARK = "what set-up compiles ends here"


@pytest.mark.slow
def test_the_pipeline_finds_all_it_needs_compiled() -> None:
    fill = "from soundloom.commands.numba_cache import fill\nfill()\n"
    done = subprocess.run(
        [sys.executable, "-c", f"{fill}print({MARK!r})\n{PIPELINE}"],
        cwd=REPOSITORY,
        env={
            **os.environ,
            # Numba prints which files of its cache it loads or writes, each once.
            "NUMBA_DEBUG_CACHE": "1",
            "PYTHONPATH": os.pathsep.join(
                str(REPOSITORY / name) for name in ("src", "tests/helpers")
            ),
        },
        check=True,
        capture_output=True,
        text=True,
    )
    filled, needed_beyond = (
        re.findall(r"\[cache\] data (?:loaded from|saved to) '(.+)'", printed)
        for printed in done.stdout.split(MARK)
    )
    assert any("beat_track" in path for path in filled)
    assert len(filled) > 10
    assert needed_beyond == []
