"""Where recordings come from: one module a source, called what ``dataset.source`` calls it.

A source is a function of the section ``dataset`` and of an empty folder that it may fill::

    def collect(config: DatasetConfig, work: Path) -> Collection

It offers whole recordings and reads none of them yet; the files it can make nothing of it lists
with their reasons, and when it has nothing to offer it raises
:class:`~soundloom.common.errors.SoundloomError`, naming the key of params.yaml to change.

To add one, write ``sources/<name>.py``; in ``ingest/config.py`` add ``<name>`` to the choices of
``DatasetConfig.source`` and a model of its own keys; give those keys a section in ``params.yaml``.
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
