"""Commands of this project beside Kedro's own."""

from __future__ import annotations

from typing import Any

import click
from kedro.framework.cli.utils import _split_params, env_option, split_string
from kedro.framework.startup import ProjectMetadata


@click.group()
def cli() -> None:
    """Commands of vlprompt_pipeline."""


@cli.command()
@click.option("--datasets", default="", callback=split_string, help="Such as demo_aerial,dtd.")
@click.option("--shots", default="", callback=split_string, help="Such as 1,2,4,8,16.")
@click.option("--seeds", default="", callback=split_string, help="Such as 1,2,3.")
@click.option("--params", default="", callback=_split_params, help="As of kedro run; for all.")
@env_option
@click.pass_obj
def sweep(
    metadata: ProjectMetadata,
    datasets: list[str],
    shots: list[str],
    seeds: list[str],
    params: dict[str, Any],
    env: str | None,
) -> None:
    """Run every (dataset, shots, seed) of a grid, each a whole kedro run, then the report.

    What is not given is as configured; what is finished is not computed again.
    """
    from vlprompt_pipeline.sweep import grid, run_cells  # Kedro's sessions are slow to import

    cells = grid(
        dataset=datasets,
        shots=[_number("shots", text) for text in shots],
        seed=[_number("seeds", text) for text in seeds],
    )
    run_cells(cells, metadata.project_path, env, params)


def _number(option: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no whole number", param_hint=option) from None
