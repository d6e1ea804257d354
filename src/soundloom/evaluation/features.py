"""What is measured of each recording, once: the set's comparisons are made of this alone.

Generated audio, real audio and the controls go through the same functions. A set of recordings is
a sequence of :class:`RecordingFeatures`, one a recording: a list, or a :class:`FeatureSet`, which
cuts them out of arrays on disk.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

import numpy as np

from soundloom.common.errors import SoundloomError
from soundloom.common.lazy import later
from soundloom.common.parallel import each, each_apart
from soundloom.common.recall import Arrays, Recall, anew
from soundloom.common.rows import Rows, RowsInMemory
from soundloom.evaluation.config import WINDOW_SECONDS
from soundloom.evaluation.metrics import dynamics, fine_structure, rhythm, structure, tonality
from soundloom.evaluation.metrics.distances import tag_profile
from soundloom.evaluation.metrics.log_mel import log_mel
from soundloom.evaluation.metrics.stability import compare_ends, describe_recording
from soundloom.evaluation.tagger import TAGS, TagResult

# Descriptors are taken of pieces this long, so that long and short recordings compare.
PIECE_SECONDS = 10.0
_MIN_PIECE_SECONDS = 5.0
# Structure is counted over as much of real audio as continuations last by default.
STRUCTURE_SECONDS = 60.0
_SHORTEST_HOP_SECONDS = 0.1
# What the rows of a set's arrays are of, by name; those of all others are of windows of the ears.
_ROWS_OF = {
    "tags": "windows",
    "embeddings": "windows",
    "log_mel": "frames",
    "descriptors": "pieces",
}
_BY_EARS = "windows_apart"
_TABLES = ("descriptors", "whole")
# Every number that a module's ``describe`` returns becomes a descriptor of the group.
DESCRIPTORS = {"rhythm": rhythm, "tonality": tonality, "dynamics": dynamics, "fine": fine_structure}

Tag = Callable[[np.ndarray, int, float], TagResult]
"""What a ``Tagger`` is called like."""


@dataclass(frozen=True)
class RecordingFeatures:
    """What is kept of a recording to compare it with others."""

    name: str
    seconds: float
    hop_seconds: float
    """From one window of the tagger's to the next."""
    tags: np.ndarray
    """``(n_windows, 50)``."""
    embeddings: np.ndarray
    """``(n_windows, 200)``."""
    further: Mapping[str, np.ndarray]
    """Embeddings by each further ear, ``(n, size)``, of windows that do not overlap."""
    log_mel: np.ndarray
    """``(n_frames, n_bands)`` dB, see ``metrics/log_mel.py``."""
    descriptors: Mapping[str, np.ndarray]
    """``rhythm/tempo_bpm`` and so on, each ``(n_pieces,)``: a value a piece of 10 s."""
    whole: Mapping[str, float]
    """Numbers of the whole recording: ``metrics/stability.py`` and ``metrics/structure.py``."""


class FeatureSet(Sequence[RecordingFeatures]):
    """Features of recordings as a few arrays for all of them, as of :func:`to_arrays`.

    A recording is cut out of them whenever it is asked for: of arrays that are memory maps, nothing
    is in memory but what is looked at. ``KeyError`` or ``ValueError`` where they are other arrays.
    """

    def __init__(self, arrays: Arrays):
        self.arrays = arrays
        self._ends = {key: np.array(arrays[key]) for key in arrays if key.startswith("ends/")}
        self._keys = {table: list(map(str, arrays[f"{table}_keys"])) for table in _TABLES}
        self._ears = list(_under(arrays, "by/"))
        for column in (*_ROWS_OF, *(f"by/{ear}" for ear in self._ears)):
            ends = self._ends_of(column)
            n_rows, counts = len(arrays[column]), np.diff(ends, prepend=0)
            if len(ends) != len(self) or (counts < 0).any() or counts.sum() != n_rows:
                raise ValueError(f"{n_rows} rows of {column} are not those of these recordings")

    def __len__(self) -> int:
        return len(self.arrays["names"])

    @overload
    def __getitem__(self, number: int) -> RecordingFeatures: ...
    @overload
    def __getitem__(self, number: slice) -> list[RecordingFeatures]: ...
    def __getitem__(self, number: int | slice) -> RecordingFeatures | list[RecordingFeatures]:
        chosen = range(len(self))[number]
        return self._one(chosen) if isinstance(chosen, int) else list(map(self._one, chosen))

    def _one(self, number: int) -> RecordingFeatures:
        seconds, hop_seconds = self.arrays["times"][number].tolist()
        # The values of a descriptor side by side.
        descriptors = np.ascontiguousarray(self._rows("descriptors", number).T)
        whole = self.arrays["whole"][number].tolist()
        return RecordingFeatures(
            name=str(self.arrays["names"][number]),
            seconds=seconds,
            hop_seconds=hop_seconds,
            tags=self._rows("tags", number),
            embeddings=self._rows("embeddings", number),
            further={ear: self._rows(f"by/{ear}", number) for ear in self._ears},
            log_mel=self._rows("log_mel", number),
            descriptors=dict(zip(self._keys["descriptors"], descriptors, strict=True)),
            whole=dict(zip(self._keys["whole"], whole, strict=True)),
        )

    def _rows(self, column: str, number: int) -> np.ndarray:
        ends = self._ends_of(column)
        return self.arrays[column][ends[number - 1] if number else 0 : ends[number]]

    def _ends_of(self, column: str) -> np.ndarray:
        return self._ends[f"ends/{_ROWS_OF.get(column, _BY_EARS)}"]


def gather(
    recordings: Iterable[RecordingFeatures], rows: Callable[[], Rows] = RowsInMemory
) -> FeatureSet:
    """A set of recordings, one at least, that may come one by one; none of them is held.

    All rows of a kind wait in one of ``rows``.
    """
    names: list[str] = []
    counts: dict[str, list[int]] = defaultdict(list)
    columns: dict[str, Rows] = defaultdict(rows)
    keys: dict[str, np.ndarray] = {}
    for recording in recordings:
        names.append(recording.name)
        tables = {"descriptors": recording.descriptors, "whole": recording.whole}
        keys = {f"{table}_keys": np.array(list(of)) for table, of in tables.items()}
        parts = {
            "times": np.array([[recording.seconds, recording.hop_seconds]]),
            "tags": recording.tags,
            "embeddings": recording.embeddings,
            "log_mel": recording.log_mel,
            **{f"by/{ear}": values for ear, values in recording.further.items()},
            "descriptors": np.stack(list(recording.descriptors.values()), axis=1),
            "whole": np.array([list(recording.whole.values())]),
        }
        for column, part in parts.items():
            columns[column].append(part)
        n_rows = {unit: len(parts[column]) for column, unit in _ROWS_OF.items()}
        n_rows[_BY_EARS] = max(map(len, recording.further.values()), default=0)
        for unit, count in n_rows.items():
            counts[unit].append(count)
    return FeatureSet(
        {
            "names": np.array(names),
            **{f"ends/{unit}": np.cumsum(of) for unit, of in counts.items()},
            **keys,
            **{column: waiting.joined() for column, waiting in columns.items()},
        }
    )


def extract_features(
    recordings: Mapping[str, np.ndarray],
    sample_rate_hz: int,
    tagger: Tag,
    *,
    hop_seconds: float,
    threads: int,
    recall: Recall = anew,
    rows: Callable[[], Rows] = RowsInMemory,
) -> FeatureSet:
    """Features of recordings, ``(n_samples,)`` each, by name; those under 3 s are left out.

    The tagger's windows are ``hop_seconds`` apart; see :func:`hop_for`. Recordings are asked for as
    many at a time as there are ``threads``, each once, and let go of: a mapping that reads or makes
    them when asked keeps memory bounded, and ``rows`` that are not in memory do so for what is
    found. ``recall`` may know what was heard before. Raises :class:`SoundloomError` when nothing is
    long enough.
    """

    def hear(samples: np.ndarray) -> Arrays:
        described = _describe(samples, sample_rate_hz)
        heard = tagger(samples, sample_rate_hz, hop_seconds)
        seconds = len(samples) / sample_rate_hz
        return to_arrays([RecordingFeatures("", seconds, hop_seconds, **vars(heard), **described)])

    def features_of(named: tuple[str, Callable[[], np.ndarray]]) -> RecordingFeatures | None:
        name, samples = named[0], named[1]()
        if len(samples) < WINDOW_SECONDS * sample_rate_hz:
            return None
        made_of = (samples, sample_rate_hz, hop_seconds)
        (features,) = FeatureSet(recall(made_of, lambda: hear(samples)))
        return replace(features, name=name)

    asked = [(name, later(recordings, name)) for name in recordings]
    # Kept where they arrive: workers elsewhere may hear, and have other disks.
    found = each_apart(features_of, asked, desc="features", jobs=threads)
    heard = (one for one in found if one is not None)
    if (first := next(heard, None)) is None:
        raise SoundloomError(
            f"evaluation needs recordings of at least {WINDOW_SECONDS} s; "
            f"got {len(recordings)} shorter ones"
        )
    return gather(itertools.chain([first], heard), rows)


def describe(samples: np.ndarray, sample_rate_hz: int) -> dict[str, float]:
    """Every descriptor of a piece, ``group/name`` → value."""
    return {
        f"{group}/{name}": value
        for group, module in DESCRIPTORS.items()
        for name, value in module.describe(samples, sample_rate_hz).items()
    }


def describe_structure(
    samples: np.ndarray, frames: np.ndarray, sample_rate_hz: int
) -> dict[str, float]:
    """Sections, returns and chords of a recording, ``(n_samples,)``, and its log-mel frames."""
    chroma = tonality.chroma(samples, sample_rate_hz)
    return structure.describe(chroma, frames, len(samples) / sample_rate_hz)


def describe_minutes(
    recordings: Mapping[str, np.ndarray], sample_rate_hz: int, *, threads: int
) -> dict[str, float]:
    """Means over all whole minutes of recordings, ``(n_samples,)``: what has time to change.

    Numbers of :func:`describe_structure`, and ``level_change_db``, how far the last 15 s are from
    the first. Each recording is asked for once, as many at a time as there are ``threads``. Nothing
    comes of recordings none of which lasts a minute.
    """
    length = round(STRUCTURE_SECONDS * sample_rate_hz)

    def described(name: str) -> list[dict[str, float]]:
        samples = recordings[name]
        ends = range(length, len(samples) + 1, length)
        minutes = [samples[end - length : end] for end in ends]
        return [
            {
                **describe_structure(minute, log_mel(minute, sample_rate_hz), sample_rate_hz),
                "level_change_db": abs(compare_ends(minute, sample_rate_hz)["level_drift_db"]),
            }
            for minute in minutes
        ]

    parts = each(described, list(recordings), desc="minutes", unit="recording", jobs=threads)
    found = list(itertools.chain.from_iterable(parts))
    return {key: float(np.mean([one[key] for one in found])) for key in (found[0] if found else ())}


def hop_for(durations_seconds: Sequence[float], n_windows: int) -> float:
    """The hop at which recordings of these lengths give ``n_windows`` windows of 3 s, or more.

    Never more than a window: then some of the audio would lie in none.
    """
    room = sum(max(seconds - WINDOW_SECONDS, 0.0) for seconds in durations_seconds)
    return float(np.clip(room / n_windows, _SHORTEST_HOP_SECONDS, WINDOW_SECONDS))


def to_arrays(features: Sequence[RecordingFeatures]) -> Arrays:
    """Everything of a set, of one recording at least, as arrays by name, for a file.

    ``names`` (n,), ``times`` (n, 2) and ``whole`` (n, n_keys) have a row for each of n recordings.
    The others have its rows behind those of the recordings before it: ``tags``, ``embeddings``,
    ``by/<ear>``, ``log_mel``, and ``descriptors`` (n_pieces, n_keys). ``ends/<unit>`` (n,) says
    where they end, ``descriptors_keys`` and ``whole_keys`` what the columns of the tables are.
    """
    return features.arrays if isinstance(features, FeatureSet) else gather(features).arrays


def top_tags(features: Sequence[RecordingFeatures], n_tags: int = 5) -> list[str]:
    """The tags with the highest mean, the highest first."""
    sums = (tag_profile(recording.tags) * len(recording.tags) for recording in features)
    total = sum(sums, np.zeros(len(TAGS)))
    return [TAGS[index] for index in np.argsort(-total)[:n_tags]]


def _describe(samples: np.ndarray, sample_rate_hz: int) -> dict[str, Any]:
    """The fields of :class:`RecordingFeatures` that need no network."""
    pieces = [describe(piece, sample_rate_hz) for piece in _pieces(samples, sample_rate_hz)]
    frames = log_mel(samples, sample_rate_hz)
    return {
        "log_mel": frames,
        "descriptors": {key: np.array([piece[key] for piece in pieces]) for key in pieces[0]},
        "whole": {
            **describe_recording(samples, frames, sample_rate_hz),
            **describe_structure(samples, frames, sample_rate_hz),
        },
    }


def _pieces(samples: np.ndarray, sample_rate_hz: int) -> list[np.ndarray]:
    """Consecutive pieces; a remainder too short to describe is left out, never all of it."""
    length = round(PIECE_SECONDS * sample_rate_hz)
    pieces = [samples[start : start + length] for start in range(0, len(samples), length)]
    long_enough = [p for p in pieces if len(p) >= _MIN_PIECE_SECONDS * sample_rate_hz]
    return long_enough or pieces[:1]


def _under(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {
        key.removeprefix(prefix): value for key, value in arrays.items() if key.startswith(prefix)
    }
