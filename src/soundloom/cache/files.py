"""Arrays in files, each named by the fingerprint of all that its arrays are made of.

They lie where DVC tracks nothing, in the main repository, so that a temporary workspace finds them
too. Nothing is ever looked up by name or time: other audio, settings, code, packages or processors
are other fingerprints. A file begins with its own checksum, which covers the fingerprint: one that
is damaged, cut short or in another's place is none.
"""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import numpy as np

from soundloom.common.environment import code_fingerprint, environment
from soundloom.common.errors import SoundloomError
from soundloom.common.io import remove_leavings, written_aside
from soundloom.common.paths import main_root
from soundloom.common.recall import Arrays
from soundloom.common.user_files import why_no_file

MOST_BYTES = 2 << 30
"""Of each kind; more only where the run that ended last has used more."""

_DIGEST_BYTES = hashlib.sha256().digest_size
# The clock that files are stamped by lags behind the one that is asked.
_LAG_SECONDS = 2.0


class Cache:
    """Arrays of one ``kind`` by what they are made of; for any threads and processes at once.

    ``code`` names the folders of ``src/soundloom`` that make them, ``settings`` (JSON types) what
    they are made with. Used ``with`` it, what was not used longest is dropped at the end.
    """

    def __init__(self, kind: str, code: Sequence[str], settings: Any = None):
        self._folder = main_root() / ".dvc" / "tmp" / "soundloom" / "cache" / kind
        self._made_by = fingerprint(kind, code_fingerprint(code), settings, environment())
        self._opened = time.time() - _LAG_SECONDS
        self._were_known: list[bool] = []  # of all that was asked for, by any thread

    def __enter__(self) -> Self:
        remove_leavings(self._folder)
        return self

    def __exit__(self, *_: object) -> None:
        """Keep what was used since it was opened, and as much else as there is room for."""
        n_bytes = 0
        for modified, size, file in sorted(self._entries(), reverse=True):
            n_bytes += size
            if n_bytes > MOST_BYTES and modified < self._opened:
                file.unlink(missing_ok=True)

    def recall(self, made_of: Sequence[Any], make: Callable[[], Arrays]) -> Arrays:
        """What ``make`` gives, or gave when it was last asked for the same.

        See :func:`fingerprint` for what ``made_of`` may hold.
        """
        key = self.key(*made_of)
        kept = self.read(key)
        self.count(kept is not None)
        if kept is None:
            kept = make()
            self.write(key, kept)
        return kept

    def count(self, was_known: bool) -> None:
        """Note for :meth:`tally` one more thing that was asked for, as :meth:`recall` does."""
        self._were_known.append(was_known)

    def tally(self, things: str, made: str) -> str:
        """``64 of 65 clips known from before, 1 encoded``; "" where nothing was known.

        Of this process: what workers elsewhere asked for is not counted.
        """
        n_known, n_all = sum(self._were_known), len(self._were_known)
        text = f"{n_known} of {n_all} {things} known from before, {n_all - n_known} {made}"
        return text if n_known else ""

    def key(self, *made_of: Any) -> str:
        """The name of what is made of these things here; see :func:`fingerprint`."""
        return fingerprint(self._made_by, *made_of)

    def read(self, key: str) -> Arrays | None:
        """What was written under ``key``; None where there is nothing, or it is damaged."""
        file = self._folder / key
        try:
            content = memoryview(file.read_bytes())
            if bytes(content[:_DIGEST_BYTES]) != _checksum(key, content[_DIGEST_BYTES:]):
                return None
            file.touch()  # it was used
        except OSError:
            return None
        with np.load(io.BytesIO(content[_DIGEST_BYTES:]), allow_pickle=False) as archive:
            return dict(archive)

    def write(self, key: str, arrays: Arrays) -> None:
        """Keep arrays under ``key``, where that can be: nothing that is made depends on it."""
        content = io.BytesIO()
        np.savez(content, allow_pickle=False, **arrays)
        with suppress(SoundloomError), written_aside(self._folder / key) as aside:
            aside.write_bytes(_checksum(key, content.getbuffer()) + content.getbuffer())

    def _entries(self) -> list[tuple[float, int, Path]]:
        """When each file was used, its size, and the file; others may be removing some."""
        found = []
        for file in self._folder.glob("*"):
            with suppress(FileNotFoundError):
                status = file.stat()
                found.append((status.st_mtime, status.st_size, file))
        return found


def fingerprint(*things: Any) -> str:
    """SHA-256, in hex, of things in their order: arrays, contents of files, whatever is JSON.

    Raises :class:`SoundloomError` where a ``Path`` leads to no file, ``OSError`` where it cannot be
    read.
    """
    digest = hashlib.sha256()
    for thing in things:
        digest.update(_digest(thing))
    return digest.hexdigest()


def _digest(thing: Any) -> bytes:
    if isinstance(thing, Path):
        if why := why_no_file(thing):
            raise SoundloomError(f"{thing}: {why}")
        with thing.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    if isinstance(thing, np.ndarray):
        digest = hashlib.sha256(json.dumps([thing.dtype.str, thing.shape]).encode())
        digest.update(np.ascontiguousarray(thing).data)
        return digest.digest()
    return hashlib.sha256(json.dumps(thing).encode()).digest()


def _checksum(key: str, content: memoryview) -> bytes:
    digest = hashlib.sha256(key.encode())
    digest.update(content)
    return digest.digest()
