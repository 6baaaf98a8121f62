"""Where a method in a cell is kept: its coordinates, and the partition of the catalog they name."""

from __future__ import annotations

import re
from typing import NamedTuple

from vlprompt_pipeline.results.config import AXES, BenchmarkReportParameters
from vlprompt_pipeline.results.records import Cell


class Coordinates(NamedTuple):
    """A method in a cell, whatever its fingerprints."""

    protocol: str
    clip: str
    dataset: str
    shots: int
    seed: int
    method: str

    @classmethod
    def of(cls, cell: Cell, method: str) -> Coordinates:
        """Return those of a method in a record's cell."""
        return cls(cell.protocol, cell.clip, cell.dataset, cell.shots, cell.seed, method)

    @classmethod
    def of_partition(cls, partition: str) -> Coordinates | None:
        """Parse a partition of the catalog; None if it is not that of a method in a cell."""
        match = re.fullmatch(r"([^/]+)/([^/]+)/([^/]+)/shots(\d+)/seed(\d+)/([^/]+)", partition)
        if match is None:
            return None
        clip, dataset, protocol, shots, seed, method = match.groups()
        return cls(protocol, clip, dataset, int(shots), int(seed), method)

    @property
    def partition(self) -> str:
        """Where the catalog keeps it, below each layer's folder."""
        protocol, clip, dataset, shots, seed, method = self
        return f"{clip}/{dataset}/{protocol}/shots{shots}/seed{seed}/{method}"

    def within(self, parameters: BenchmarkReportParameters) -> bool:
        """Tell whether it was asked for."""
        values = (self.protocol, self.dataset, self.shots, self.seed, self.method)
        asked = (getattr(parameters, axis) for axis in AXES)
        return all(axis is None or value in axis for axis, value in zip(asked, values, strict=True))
