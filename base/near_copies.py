"""Whether continuations copy what the base has heard: ``near_copies.py FOLDER``, in ``base/``.

``FOLDER`` holds WAV files, such as ``../data/generated/samples``. Each of their passages of 2.5 s
is held against every passage of the training part of ``data/raw``, as the stage ``evaluate`` does
with the recordings that a model learned from. Of real music that the base has not heard, the same
says what is to be expected: ``../data/generated/real``. With 25 hours it takes half an hour.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from soundloom.audio.files import read_audio
from soundloom.common.parallel import each
from soundloom.common.paths import RAW_FOLDER
from soundloom.corpus.files import read_manifest, read_part
from soundloom.evaluation.metrics.log_mel import frames_per_second, log_mel
from soundloom.evaluation.metrics.novelty import near_copy_share, nearest_passages


def main() -> None:
    """Print the share of near-copies, and the highest and the median correlation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    files = sorted(parser.parse_args().folder.glob("*.wav"))
    manifest = read_manifest()
    rate_hz = manifest.sample_rate_hz
    generated = [log_mel(read_audio(file, rate_hz), rate_hz) for file in files]
    clips = {clip.name: RAW_FOLDER / clip.file for clip in manifest.clips}
    heard = [clips[segment.clip] for segment in read_part("train")]
    correlations = np.max(each(_nearest, heard, generated, rate_hz, desc="heard"), axis=0)
    print(
        f"{len(correlations)} passages of {len(files)} files: {near_copy_share(correlations):.1%} "
        f"near-copies, highest correlation {correlations.max():.2f}, median "
        f"{np.median(correlations):.2f}"
    )


def _nearest(clip: Path, generated: Sequence[np.ndarray], rate_hz: int) -> list[float]:
    frames = log_mel(read_audio(clip, rate_hz), rate_hz)
    matches = nearest_passages(generated, [frames], frames_per_second(rate_hz))
    return [match.correlation for match in matches]


if __name__ == "__main__":
    main()
