"""The cells of a grid: from the axes of the command line, of protocols, or of a file."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from pydantic import Field
from yaml import YAMLError

from vlprompt_pipeline.errors import ConfigError, reason_of
from vlprompt_pipeline.parsing import Parameters, parse
from vlprompt_pipeline.protocol_runs import axes_of, configured, named_protocols

logger = logging.getLogger(__name__)

GridCell = Mapping[str, Any]
"""Coordinates of a cell: any of protocol, dataset, shots, seed and methods."""


class CellValues(Parameters):
    """Some coordinates of a cell; others are as configured, and in `exclude` may be any."""

    protocol: str | None = None
    dataset: str | None = None
    shots: int | None = Field(default=None, ge=1)
    seed: int | None = Field(default=None, ge=0)
    methods: str | None = None

    @property
    def given(self) -> dict[str, Any]:
        """Return those that are given."""
        return self.model_dump(exclude_none=True)


class GridFile(Parameters):
    """A grid that is kept in a file.

    Attributes:
        protocols, datasets, shots, seeds, methods: values of the axes, all combinations of them.
        include: further cells.
        exclude: cells with all of these values are left out.
        params: as of `--params`, for every cell; `features: {views: 4}` or `features.views: 4`.
    """

    protocols: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    shots: tuple[int, ...] = ()
    seeds: tuple[int, ...] = ()
    methods: tuple[str, ...] = ()
    include: tuple[CellValues, ...] = ()
    exclude: tuple[CellValues, ...] = ()
    params: dict[str, Any] = Field(default_factory=dict)

    @property
    def axes(self) -> dict[str, Sequence[Any]]:
        """Return the axes by the names of parameters, without protocols."""
        return {
            "dataset": self.datasets,
            "shots": self.shots,
            "seed": self.seeds,
            "methods": self.methods,
        }

    def within(self, cells: Sequence[GridCell]) -> list[GridCell]:
        """Return the cells with those of `include`, without those of `exclude`, each once."""
        every = [*cells, *(each.given for each in self.include)]
        kept = every
        for left in (each.given for each in self.exclude):
            if not any(left.items() <= cell.items() for cell in every):
                values = ", ".join(f"{name}: {value}" for name, value in left.items())
                logger.warning("exclude: {%s} fits no cell of the grid", values)
            kept = [cell for cell in kept if not left.items() <= cell.items()]
        return [*{frozenset(cell.items()): cell for cell in kept}.values()]


def grid(**axes: Sequence[Any]) -> list[GridCell]:
    """Return every combination of the values of the axes that have any.

    The last axis turns fastest.
    """
    given = {name: values for name, values in axes.items() if values}
    return [dict(zip(given, values, strict=True)) for values in product(*given.values())]


def protocol_grid(
    protocols: Sequence[str],
    axes: Mapping[str, Sequence[Any]],
    project: Path,
    env: str | None,
    params: Mapping[str, Any],
) -> list[GridCell]:
    """Return the grids of several protocols, one after the other, or of none the grid of the axes.

    An axis without values has those of the protocol. Among methods, `all` is every recipe.

    Raises:
        ConfigError: an unknown protocol, another one among the parameters, or wrong parameters.
    """
    if protocols and "protocol" in params:
        raise ConfigError("give --protocols or --params=protocol=…, not both")
    given = {name: values for name, values in axes.items() if values}
    if not protocols and "all" not in given.get("methods", ()):
        return grid(**given)
    parameters = configured(project, None, env, params)  # registers extensions first
    names = named_protocols(protocols)
    if "all" in given.get("methods", ()):
        given["methods"] = tuple(parameters.recipes)
    sections = [axes_of(name, params, parameters) for name in names] or [{}]
    return [cell for section in sections for cell in grid(**(section | given))]


def nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as sections: `{"training.lr": 0.1}` as `{"training": {"lr": 0.1}}`."""
    sections = OmegaConf.create()
    for name, value in settings.items():
        OmegaConf.update(sections, name, value, merge=True)
    return OmegaConf.to_container(sections)


def read_grid(file: Path) -> GridFile:
    """Read the file of a grid.

    Raises:
        ConfigError: it is no grid; names the key, its value and what is allowed there.
    """
    values = read_yaml(file, "--grid")
    if not isinstance(values, dict):
        raise ConfigError(f"--grid {file}: give axes such as datasets: [demo_aerial], seeds: [1]")
    return parse(GridFile, values, f"--grid {file.name}")


def read_yaml(file: Path, option: str) -> Any:
    """Read the file that an option names.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise ConfigError(f"{option} {file} cannot be read: {reason_of(error)}") from None
