"""Variants that MLflow could not take, kept in the main repository until it can.

A variant made in one of DVC's temporary workspaces would otherwise be gone with the workspace.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from soundloom.common.io import folder_written_aside, read_json, write_json
from soundloom.experiments.variant import Dataset, Description, Variant

_VARIANT_FILE = "variant.json"


class Spool:
    """A folder with one folder for each variant that waits."""

    def __init__(self, root: Path):
        """The spool of the repository at ``root``, under what DVC never tracks."""
        self._folder = root / ".dvc" / "tmp" / "soundloom" / "waiting"

    def keep(self, variant: Variant) -> None:
        """Copy all of a variant; once more changes nothing."""
        place = self._folder / variant.fingerprint
        if place.exists():
            return
        with folder_written_aside(place) as aside:
            document = asdict(variant)
            document["workspace"] = str(variant.workspace)
            document["artifacts"] = []
            for number, (folder, file) in enumerate(variant.artifacts):
                copy = Path("files") / str(number) / file.name
                (aside / copy).parent.mkdir(parents=True)
                shutil.copyfile(file, aside / copy)
                document["artifacts"].append([folder, str(copy)])
            write_json(aside / _VARIANT_FILE, document)

    def waiting(self) -> Iterator[Variant]:
        """The variants that wait, in an order that is always the same."""
        for file in sorted(self._folder.glob(f"*/{_VARIANT_FILE}")):
            document = read_json(file)
            document |= {
                "description": Description(**document["description"]),
                "dataset": Dataset(**document["dataset"]),
                "history": tuple(document["history"]),
                "artifacts": tuple(
                    (folder, file.parent / copy) for folder, copy in document["artifacts"]
                ),
                "workspace": Path(document["workspace"]),
            }
            yield Variant(**document)

    def drop(self, variant: Variant) -> None:
        """Forget a variant: it is recorded now."""
        shutil.rmtree(self._folder / variant.fingerprint, ignore_errors=True)
