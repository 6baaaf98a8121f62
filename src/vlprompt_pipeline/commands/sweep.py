"""`kedro sweep`: its options, and what they say to the room `sweep`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.utils import env_option, split_string
from kedro.framework.startup import ProjectMetadata

from vlprompt_pipeline.commands.params_option import split_params


@click.command()
@click.option("--protocols", default="", callback=split_string, help="Such as few_shot, or all.")
@click.option("--datasets", default="", callback=split_string, help="Such as demo_aerial,dtd.")
@click.option("--shots", default="", callback=split_string, help="Such as 1,2,4,8,16.")
@click.option("--seeds", default="", callback=split_string, help="Such as 1,2,3.")
@click.option(
    "--methods",
    default="",
    callback=split_string,
    help="Such as coop,qcoop: each a cell of its own; coop+qcoop is one cell with both; or all.",
)
@click.option("--params", default="", callback=split_params, help="As of kedro run; for all.")
@click.option(
    "--grid",
    "grid_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML: protocols, datasets, shots, seeds, methods, include, exclude, params.",
)
@click.option("--engine", type=click.Choice(["local", "ray"]), default="local", show_default=True)
@click.option("--address", default="", help="Of a running Ray, as RAY_ADDRESS.")
@click.option("--workers", type=click.IntRange(1), help="Cells at once on a Ray of this machine.")
@click.option("--gpus-per-cell", type=click.FloatRange(0), default=0.0, help="Such as 0.25.")
@click.option("--dashboard", is_flag=True, help="Start Ray's page beside a Ray of this machine.")
@click.option("--retries", type=click.IntRange(0), default=3, show_default=True, help="Of a cell.")
@click.option("--dry-run", is_flag=True, help="Show the cells, what is finished, and the time.")
@click.option("--price", type=click.FloatRange(0), help="Of a worker an hour, for --dry-run.")
@click.option("--fail-fast", is_flag=True, help="End at the first failure.")
@click.option("--force", is_flag=True, help="Train and score finished cells of this grid again.")
@click.option(
    "--side-by-side",
    type=click.Choice(["auto", "on", "off"]),
    default="auto",
    show_default=True,
    help="Train seeds, and recipes of one layout, as one batch; auto: on a GPU.",
)
@click.option("--record", is_flag=True, help="Only log finished cells that MLflow lacks.")
@env_option
@click.pass_obj
def sweep(
    metadata: ProjectMetadata,
    grid_file: Path | None,
    params: dict[str, Any],
    env: str | None,
    dry_run: bool,
    **given: Any,
) -> None:
    """Run every cell of a grid, each a whole kedro run, then the report.

    With protocols, the grid of each of them. What is not given is as configured, for each protocol
    in its own parameter file; what is finished is not computed again. docs/scaling.md
    """
    # Kedro's sessions are slow to import
    from vlprompt_pipeline.hooks.errors import one_sentence
    from vlprompt_pipeline.parsing import overlay, parse
    from vlprompt_pipeline.sweep import (
        GridFile,
        Options,
        nested,
        protocol_grid,
        read_grid,
        run_cells,
    )
    from vlprompt_pipeline.sweep.dry_run import print_plan
    from vlprompt_pipeline.sweep.engines import Resources

    project = metadata.project_path
    with one_sentence(project):
        grid = read_grid(grid_file) if grid_file else GridFile()
        axes = ("protocols", "datasets", "shots", "seeds", "methods")
        on_command_line = {name: given[name] for name in axes if given[name]}
        grid = parse(GridFile, {**grid.model_dump(), **on_command_line}, "kedro sweep")
        params = overlay(nested(grid.params), params)
        cells = grid.within(protocol_grid(grid.protocols, grid.axes, project, env, params))
        if not cells:
            raise click.ClickException("the grid has no cell: its excludes leave nothing")
        resources = Resources(
            given["workers"],
            given["gpus_per_cell"],
            given["retries"],
            given["address"],
            given["dashboard"],
        )
        flags = {name: given[name] for name in ("fail_fast", "force", "record", "side_by_side")}
        options = Options(given["engine"], resources, **flags)
        if dry_run:
            print_plan(cells, project, env, params, options, given["price"])
            return
        run_cells(cells, project, env, params, options)
