"""Where recordings end: the seconds in which a song fades or rings out, and nothing goes on.

A model that learns endings ends: some continuations then fade into a held chord, and stay there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from scipy.ndimage import uniform_filter1d

from soundloom.corpus.manifest import Clip
from soundloom.corpus.split import Segment

# A moment is the mean of a second; it is of the ending when below this share of the recording's
# median, on the scale of the frames: 12 dB where the median is 48 dB above the floor.
_MOMENT_SECONDS = 1.0
_QUIET_SHARE = 0.75


def without_endings(
    segments: Sequence[Segment],
    clips: Sequence[Clip],
    clip_frames: Callable[[str], np.ndarray],
    hop_samples: int,
    sample_rate_hz: int,
) -> list[Segment]:
    """The training segments cut where their recordings begin to end; the others as they are.

    ``clip_frames(name)`` gives a clip's frames ``(n_frames, n_bins)`` in [0, 1]. An ending is all
    that follows a recording's last moment of about its usual level. Segments that lie in it
    altogether are left out.
    """
    moment_frames = max(round(_MOMENT_SECONDS * sample_rate_hz / hop_samples), 1)
    recordings: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        recordings[clip.recording].append(clip)
    ends: dict[str, int] = {}
    for members in recordings.values():
        members.sort(key=lambda clip: clip.offset_samples)
        levels = [clip_frames(clip.name).mean(axis=1, dtype=np.float64) for clip in members]
        n_frames = np.cumsum([0, *map(len, levels)])
        end = ending_of(np.concatenate(levels), moment_frames)
        for clip, first in zip(members, n_frames[:-1].tolist(), strict=True):
            ends[clip.name] = max(end - first, 0) * hop_samples
    kept = [
        replace(segment, end_sample=min(segment.end_sample, ends[segment.clip]))
        if segment.part == "train"
        else segment
        for segment in segments
    ]
    return [segment for segment in kept if segment.n_samples > 0]


def ending_of(levels: np.ndarray, moment_frames: int) -> int:
    """The frame at which a recording begins to end, given the level of each ``(n_frames,)``.

    ``n_frames`` where it is as loud as ever to its last moment.
    """
    moments = uniform_filter1d(levels, moment_frames, mode="nearest")
    usual = np.flatnonzero(moments >= _QUIET_SHARE * np.median(moments))
    return len(levels) if len(levels) - 1 - usual[-1] <= moment_frames else int(usual[-1]) + 1
