"""Samples of a whole recording, of which one piece at a time is in memory."""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Iterator
from typing import Protocol

import numpy as np

from soundloom.common.channels import in_channels
from soundloom.common.errors import SoundloomError

# What songs take; longer recordings lie in a file until they are cut.
MOST_IN_MEMORY_BYTES = 1 << 25

# Samples that are read and written at a time.
PIECE_SAMPLES = 1 << 18


class Samples(Protocol):
    """A recording, ``(n_samples,)`` or ``(n_samples, 2)``: an array, or what gives its pieces."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> np.ndarray: ...


class StoredSamples:
    """Samples, ``(n_samples,)`` or ``(n_samples, 2)`` float32, in memory or in a file without name.

    Written at its end, and read in slices, which are arrays of their own. The file lies in the
    folder that ``TMPDIR`` names, or in ``/var/tmp``, and is gone with the process, however that
    ends. Raises :class:`SoundloomError` where it cannot be written.
    """

    def __init__(self, channels: int, *, in_memory: bool = False) -> None:
        """All of it stays in memory where ``in_memory`` says so."""
        self._shape = () if channels == 1 else (channels,)
        self._channels, self._n_samples = channels, 0
        self._peak = 1.0  # which is scaled to 1 where it is more
        self._folder = _roomy_folder()
        self._file = tempfile.SpooledTemporaryFile(  # noqa: SIM115 - closed with this
            0 if in_memory else MOST_IN_MEMORY_BYTES, dir=self._folder
        )
        weakref.finalize(self, self._file.close)

    def __len__(self) -> int:
        return self._n_samples

    def __getitem__(self, part: slice) -> np.ndarray:
        """The samples of a slice without a step, within full scale once that was asked for."""
        start, stop, step = part.indices(self._n_samples)
        assert step == 1
        piece = self._read(start, max(stop - start, 0))
        return piece / np.float32(self._peak) if self._peak > 1.0 else piece

    def append(self, piece: np.ndarray) -> None:
        """Add samples, mono or stereo, at the end."""
        self._write(self._n_samples, in_channels(piece, self._channels))

    def cut(self, n_samples: int) -> None:
        """Keep the first ``n_samples``."""
        self._file.truncate(self._offset(n_samples))
        self._n_samples = n_samples

    def add(self, other: StoredSamples) -> None:
        """Sum it with another in as many channels, which is no longer."""
        for part in _parts(len(other)):
            piece = self._read(part.start, part.stop - part.start)
            piece += other[part]
            self._write(part.start, piece)

    def keep_within_full_scale(self) -> None:
        """Scale down, never up, what is read from now on, so that none lies outside [-1, 1]."""
        pieces = (self._read(part.start, part.stop - part.start) for part in _parts(len(self)))
        self._peak = max((float(np.abs(piece).max()) for piece in pieces), default=1.0)

    def _offset(self, n_samples: int) -> int:
        return n_samples * self._channels * np.dtype(np.float32).itemsize

    def _read(self, start: int, n_samples: int) -> np.ndarray:
        piece = np.empty((n_samples, *self._shape), np.float32)
        self._file.seek(self._offset(start))
        self._file.readinto(piece.data)
        return piece

    def _write(self, start: int, piece: np.ndarray) -> None:
        try:
            self._file.seek(self._offset(start))
            self._file.write(np.ascontiguousarray(piece, np.float32).data)
            self._file.flush()  # or what fails would do so later
        except OSError as error:
            raise SoundloomError(
                f"{self._folder or tempfile.gettempdir()}: cannot be written: {error.strerror}; "
                "long recordings lie there until they are cut: TMPDIR names another folder"
            ) from error
        self._n_samples = max(self._n_samples, start + len(piece))


def _parts(n_samples: int) -> Iterator[slice]:
    """All of so many samples, a piece at a time."""
    for start in range(0, n_samples, PIECE_SAMPLES):
        yield slice(start, min(start + PIECE_SAMPLES, n_samples))


def _roomy_folder() -> str | None:
    """/var/tmp, as /tmp lies in memory on many systems; or else, and if the user says where, None.

    Then it is where all temporary files are.
    """
    is_said = any(os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP"))
    return "/var/tmp" if not is_said and os.access("/var/tmp", os.W_OK) else None
