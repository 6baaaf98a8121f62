"""`kedro tune`: its options, and what they say to the room `sweep`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.utils import env_option
from kedro.framework.startup import ProjectMetadata

from vlprompt_pipeline.commands.params_option import split_params


@click.command()
@click.option("--method", required=True, help="The recipe, such as coop.")
@click.option(
    "--space",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="YAML: settings below the recipe, as training.lr: {low: 0.0005, high: 0.01, log: true}.",
)
@click.option("--trials", type=click.IntRange(1), default=20, show_default=True)
@click.option(
    "--study", default="", help="Its name; the same name goes on. Else named by what is tuned."
)
@click.option("--params", default="", callback=split_params, help="As of kedro run: the cell.")
@env_option
@click.pass_obj
def tune(
    metadata: ProjectMetadata,
    method: str,
    space: Path,
    trials: int,
    study: str,
    params: dict[str, Any],
    env: str | None,
) -> None:
    """Tune a recipe on the validation images of a cell; test images are never looked at.

    The best values are printed as --params for kedro run or kedro sweep.
    """
    # Kedro's sessions are slow to import
    from vlprompt_pipeline.hooks.errors import one_sentence
    from vlprompt_pipeline.sweep.tune import DATABASE, Tuning, read_space
    from vlprompt_pipeline.wording import command_parameters, counted

    project = metadata.project_path
    with one_sentence(project):
        settings = read_space(space)
        tuned = Tuning(project, env, params, method, settings).run(trials, study)
    best = tuned.best_trial
    best_params = command_parameters({"recipes": {method: best.params}})
    finished = tuned.get_trials(states=[best.state])
    click.echo(
        f"best of {counted(len(finished), 'trial')}: {best.value:.2f} % on validation images"
    )
    click.echo(f"study: {tuned.study_name!r} in {DATABASE}")
    click.echo(f"use it: --params={best_params}")
