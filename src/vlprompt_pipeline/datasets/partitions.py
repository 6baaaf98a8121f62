"""Many files as one entry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kedro_datasets.partitions import PartitionedDataset as _Partitioned

from vlprompt_pipeline.filesystem.manifests import SUFFIX
from vlprompt_pipeline.filesystem.places import bring, local, withdraw_folder


class PartitionedDataset(_Partitioned):
    """`kedro_datasets.partitions.PartitionedDataset`, whose folder may be in a place."""

    def __init__(self, *, path: str, **options: Any) -> None:
        super().__init__(path=str(local(path)), **options)

    def save(self, data: dict[str, Any]) -> None:
        """Write all partitions; with `overwrite` the folder is emptied first."""
        if self._overwrite:
            withdraw_folder(local(self._path))
        super().save(data)

    def _list_partitions(self) -> list[str]:
        if self._cached_partitions is None:
            ending = self._filename_suffix.lstrip("/")
            bring(local(self._path), ending, f"{ending}{SUFFIX}")
        return super()._list_partitions()


class PartitionsDataset(PartitionedDataset):
    """The same, but loading from an empty folder is no error."""

    def load(self) -> dict[str, Callable[[], Any]]:
        """Return loaders by name; empty if nothing is there yet."""
        return super().load() if self._exists() else {}
