"""Where recordings come from: one file a source, each offering a ``Collection`` of them.

To add a source, write its file, name it in :func:`open_source`, and give it a section in
``params.yaml`` and :mod:`soundloom.config`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from soundloom.ingest.collection import Collection
from soundloom.ingest.config import DatasetConfig


@contextmanager
def open_source(config: DatasetConfig) -> Iterator[Collection]:
    """Give what ``dataset.source`` offers; its recordings can be loaded inside the ``with`` block.

    What a source downloads or unpacks lies in a temporary folder that is gone afterwards. Only
    the module of the source asked for is imported.

    Raises :class:`~soundloom.errors.SoundloomError` when the source has nothing to offer.
    """
    with tempfile.TemporaryDirectory(prefix="soundloom-") as work:
        yield _collect(config, Path(work))


def _collect(config: DatasetConfig, work: Path) -> Collection:
    match config.source:
        case "builtin":
            from soundloom.ingest.sources import builtin

            return Collection(tuple(builtin.recordings(config)))
        case "folder":
            from soundloom.ingest.sources import folder

            return folder.collect(config)
        case "debian":
            from soundloom.ingest.sources import debian

            return debian.collect(config, work)
        case "gtzan":
            from soundloom.ingest.sources import gtzan

            return gtzan.collect(config, work)
