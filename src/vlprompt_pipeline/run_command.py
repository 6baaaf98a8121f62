"""`kedro run` as Kedro has it, but that a protocol's pipeline brings its dataset and shots."""

from __future__ import annotations

from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.startup import ProjectMetadata
from yaml import YAMLError

from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.hooks.errors import one_sentence
from vlprompt_pipeline.pipeline_registry import APART, STAGES
from vlprompt_pipeline.protocol_runs import configured, with_protocol

_STAGES = {"__default__", "cell", *STAGES, *APART}


@click.pass_obj
def _run(metadata: ProjectMetadata, /, **options: Any) -> Any:
    pipelines = [*options["pipelines"], *filter(None, [options["pipeline"]])]
    try:
        if any(name not in _STAGES for name in pipelines):  # a protocol's, maybe of an extension
            given = options["params"]
            conf = configured(metadata.project_path, options["conf_source"], options["env"], given)
            options["params"] = with_protocol(pipelines, given, conf)
    except (UserError, YAMLError) as error:
        raise click.ClickException(str(error)) from None
    with one_sentence(metadata.project_path):
        return kedro_run.callback(**options)


run = click.Command(kedro_run.name, params=kedro_run.params, callback=_run, help=kedro_run.help)
