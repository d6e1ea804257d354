"""Features of recordings in a file, to be compared with from there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from soundloom.common.errors import SoundloomError, first_line
from soundloom.common.io import map_arrays, write_mappable
from soundloom.evaluation.features import FeatureSet, RecordingFeatures, to_arrays


def write_features(path: Path, features: Sequence[RecordingFeatures]) -> None:
    """Write a set of recordings, one at least."""
    write_mappable(path, to_arrays(features))


def read_features(path: Path) -> FeatureSet:
    """What :func:`write_features` wrote, mapped into memory: none of it is held.

    Raises :class:`SoundloomError` naming the file where it is absent, damaged or something else.
    """
    arrays = map_arrays(path)
    try:
        return FeatureSet(arrays)
    except (KeyError, ValueError) as error:
        lacks = "it lacks " * isinstance(error, KeyError)
        raise SoundloomError(
            f"{path}: no features of recordings: {lacks}{first_line(error)}; `dvc repro` makes it"
        ) from None
