"""A grid of cells (protocol, dataset, shots, seed), each a whole `kedro run`, in one process.

One process imports the libraries once, which is most of the time of a run that has nothing new
to compute.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import click
from kedro.framework.session import KedroSession
from yaml import YAMLError

from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.protocol_runs import axes_of, configured, named_protocols

logger = logging.getLogger(__name__)

Cell = Mapping[str, Any]


def grid(**axes: Sequence[Any]) -> list[Cell]:
    """Every combination of the values of the axes that have any; the last axis turns fastest."""
    given = {name: values for name, values in axes.items() if values}
    return [dict(zip(given, values, strict=True)) for values in product(*given.values())]


def protocol_grid(
    protocols: Sequence[str],
    axes: Mapping[str, Sequence[Any]],
    project: Path,
    env: str | None,
    params: Mapping[str, Any],
) -> list[Cell]:
    """The grids of several protocols, one after the other; what has no value is each one's own.

    Raises:
        ClickException: an unknown protocol, another one among the parameters, or wrong parameters.
    """
    if "protocol" in params:
        raise click.ClickException("give --protocols or --params=protocol=…, not both")
    try:
        parameters = configured(project, None, env, params)  # registers extensions first
        names = named_protocols(protocols)
    except (UserError, YAMLError) as error:
        raise click.ClickException(str(error)) from None
    given = {name: values for name, values in axes.items() if values}
    return [cell for name in names for cell in grid(**(axes_of(name, params, parameters) | given))]


def run_cells(
    cells: Sequence[Cell], project: Path, env: str | None, params: Mapping[str, Any]
) -> None:
    """Run every cell; the last one of a protocol also writes the report over all that is on disk.

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
        protocol = cell.get("protocol")
        last = all(later.get("protocol") != protocol for later in cells[number:])
        with session(cell) as running:
            running.run(pipeline_names=[(protocol or "__default__") if last else "cell"])
