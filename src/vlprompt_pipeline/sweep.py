"""A grid of cells (dataset, shots, seed), each a whole `kedro run`, in one process.

One process imports the libraries once, which is most of the time of a run that has nothing new
to compute.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from kedro.framework.session import KedroSession

logger = logging.getLogger(__name__)

Cell = Mapping[str, Any]


def grid(**axes: Sequence[Any]) -> list[Cell]:
    """Every combination of the values of the axes that have any; the last axis turns fastest."""
    given = {name: values for name, values in axes.items() if values}
    return [dict(zip(given, values, strict=True)) for values in product(*given.values())]


def run_cells(
    cells: Sequence[Cell], project: Path, env: str | None, params: Mapping[str, Any]
) -> None:
    """Run every cell; the last one also writes the report over all that is on disk.

    The parameters of all cells are checked before the first one runs.

    Raises:
        ClickException: what a cell was refused or failed with; cells before it are finished.
    """

    def session(cell: Cell) -> KedroSession:
        return KedroSession.create(project, env=env, runtime_params={**params, **cell})

    for cell in cells:
        with session(cell) as checked:
            checked.load_context()
    for number, cell in enumerate(cells, start=1):
        described = ", ".join(f"{name} {value}" for name, value in cell.items())
        logger.info("cell %d of %d: %s", number, len(cells), described or "as configured")
        stages = ["__default__" if number == len(cells) else "cell"]
        with session(cell) as running:
            running.run(pipeline_names=stages)
