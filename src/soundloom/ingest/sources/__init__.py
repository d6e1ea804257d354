"""Where recordings come from: one module a source, called what ``dataset.source`` calls it.

A source is a function of the section ``dataset`` and of an empty folder that it may fill::

    def collect(config: DatasetConfig, work: Path) -> Collection

It offers whole recordings and reads none of them yet. What it already knows to be no use it lists
with the reason; a recording that turns out to be missing or unreadable when it is loaded is listed
by :mod:`soundloom.ingest.gathering`, which goes on without it. A source with nothing to offer
raises :class:`~soundloom.common.errors.SoundloomError`, naming the key of params.yaml to change.

docs/changing.md says how to add one.
"""

from __future__ import annotations

import importlib
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

    Raises :class:`~soundloom.common.errors.SoundloomError` when the source has nothing to offer.
    """
    source = importlib.import_module(f"soundloom.ingest.sources.{config.source}")
    with tempfile.TemporaryDirectory(prefix="soundloom-") as work:
        yield source.collect(config, Path(work))
