"""Many files as one entry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kedro_datasets.partitions import PartitionedDataset


class PartitionsDataset(PartitionedDataset):
    """`kedro_datasets.partitions.PartitionedDataset`, for which no file at all is no error."""

    def load(self) -> dict[str, Callable[[], Any]]:
        """Loaders by name; none if nothing is there yet."""
        return super().load() if self._exists() else {}
