"""Define the commands of this project beside Kedro's own, and its version of `run`."""

from __future__ import annotations

from typing import Any

import click
from kedro.framework.cli.utils import LazyGroup, env_option, split_string
from kedro.framework.startup import ProjectMetadata

from vlprompt_pipeline.params_option import split_params


@click.group(cls=LazyGroup, lazy_subcommands={"run": "vlprompt_pipeline.run_command.run"})
def cli() -> None:
    """Commands of vlprompt_pipeline."""


def __getattr__(name: str) -> click.Command:
    """`run`, which Kedro asks for when the package is run outside a project; slow to import."""
    if name != "run":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from vlprompt_pipeline.run_command import run

    return run


@cli.command()
@click.option("--protocols", default="", callback=split_string, help="Such as few_shot, or all.")
@click.option("--datasets", default="", callback=split_string, help="Such as demo_aerial,dtd.")
@click.option("--shots", default="", callback=split_string, help="Such as 1,2,4,8,16.")
@click.option("--seeds", default="", callback=split_string, help="Such as 1,2,3.")
@click.option("--params", default="", callback=split_params, help="As of kedro run; for all.")
@env_option
@click.pass_obj
def sweep(
    metadata: ProjectMetadata,
    protocols: list[str],
    datasets: list[str],
    shots: list[str],
    seeds: list[str],
    params: dict[str, Any],
    env: str | None,
) -> None:
    """Run every (dataset, shots, seed) of a grid, each a whole kedro run, then the report.

    With protocols, the grid of each of them. What is not given is as configured, for each protocol
    in its own parameter file; what is finished is not computed again.
    """
    # Kedro's sessions are slow to import
    from vlprompt_pipeline.hooks.errors import one_sentence
    from vlprompt_pipeline.sweep import grid, protocol_grid, run_cells

    axes = {
        "dataset": datasets,
        "shots": [_number("shots", text) for text in shots],
        "seed": [_number("seeds", text) for text in seeds],
    }
    project = metadata.project_path
    with one_sentence(project):
        cells = protocol_grid(protocols, axes, project, env, params) if protocols else grid(**axes)
        run_cells(cells, project, env, params)


def _number(option: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no whole number", param_hint=option) from None
