"""A folder that nodes fill piece by piece: feature shards, checkpoints, caches."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

from vlprompt_pipeline.filesystem.places import local


class FolderDataset(AbstractDataset[None, Path]):
    """Loads as the path itself. Nodes write whole files into it, so a killed run can go on.

    A folder in a place loads as its local copy, of which nodes ask for what they need.
    """

    def __init__(self, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self.filepath, self.metadata = local(filepath), metadata

    def load(self) -> Path:
        """Return the folder's path; it need not exist yet."""
        return self.filepath

    def save(self, data: None) -> NoReturn:
        """Refuse: nothing is saved as a whole."""
        raise DatasetError(f"{self.filepath} is filled by nodes, piece by piece")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self.filepath)}
