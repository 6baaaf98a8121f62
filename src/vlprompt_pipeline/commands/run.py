"""`kedro run` as Kedro has it, but that a protocol's pipeline brings its dataset and shots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from inspect import signature
from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.project import settings
from kedro.framework.startup import ProjectMetadata
from kedro.utils import find_kedro_project, load_obj

from vlprompt_pipeline.commands.params_option import split_params
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.hooks.errors import one_sentence
from vlprompt_pipeline.parsing import unknown
from vlprompt_pipeline.pipeline_registry import APART, STAGES
from vlprompt_pipeline.protocol_runs import configured, with_protocol
from vlprompt_pipeline.protocols import PROTOCOLS

_OTHER_PIPELINES = ("__default__", "cell", *STAGES, *APART)
_RUNNERS = ["SequentialRunner", "ParallelRunner", "ThreadRunner"]
_NOTHING_FITS = ("Pipeline contains no nodes", "Pipeline does not contain")
_FILTERS = {
    "tags": "--tags",
    "node_names": "--nodes",
    "from_nodes": "--from-nodes",
    "to_nodes": "--to-nodes",
    "from_inputs": "--from-inputs",
    "to_outputs": "--to-outputs",
    "namespaces": "--namespaces",
}


@click.pass_obj
def _run(metadata: ProjectMetadata | None, /, **options: Any) -> Any:
    # the installed package has no project: it works in the folder it is started in
    project = metadata.project_path if metadata else find_kedro_project(Path.cwd()) or Path.cwd()
    conf_source = options["conf_source"]
    if conf_source is None and not (project / settings.CONF_SOURCE).is_dir():
        raise click.ClickException(
            f"no configuration in {project / settings.CONF_SOURCE}: give the one that kedro "
            "package puts beside the wheel, --conf-source=conf-vlprompt_pipeline.tar.gz, or unpack "
            "it here"
        )
    pipelines = [*options["pipelines"], *filter(None, [options["pipeline"]])]
    with one_sentence(project), _nodes_that_fit(options):
        _require_runner(options["runner"], options["runner_params"])
        if set(pipelines) - set(_OTHER_PIPELINES):  # a protocol's, maybe of an extension
            given = options["params"]
            conf = configured(project, conf_source, options["env"], given)  # imports extensions
            known = [*PROTOCOLS, *_OTHER_PIPELINES]
            for name in pipelines:
                if name not in known:
                    raise ConfigError(unknown("pipelines", "pipeline", name, known))
            options["params"] = with_protocol(pipelines, given, conf)
        return kedro_run.callback(**options)


@contextmanager
def _nodes_that_fit(options: Mapping[str, Any]) -> Iterator[None]:
    """Turn Kedro's refusal of a filter that no node fits into a sentence.

    Raises:
        ConfigError: naming the filters, and where the nodes are listed.
    """
    try:
        yield
    except ValueError as error:
        if not str(error).startswith(_NOTHING_FITS):
            raise
        filters = [
            f"{option}={','.join(options[name])}"
            for name, option in _FILTERS.items()
            if options.get(name)
        ]
        reason = str(error).split(" after ")[0].rstrip(".").removeprefix("Pipeline ")
        raise ConfigError(
            f"{' '.join(filters)} leaves nothing to do; kedro registry describe __default__ lists "
            f"the nodes, and conf/base/catalog*.yml what they read and write: the pipeline {reason}"
        ) from error


def _require_runner(name: str | None, given: Mapping[str, Any]) -> None:
    """Refuse a runner that is none of Kedro's and of no module, and what it does not take.

    Raises:
        ConfigError: with the nearest name, or with the numbers that are allowed.
    """
    try:
        allowed = signature(load_obj(name or "SequentialRunner", "kedro.runner")).parameters
    except (AttributeError, ImportError, ValueError):
        raise ConfigError(unknown("--runner", "runner", str(name), _RUNNERS)) from None
    for key in given.keys() - allowed.keys():
        raise ConfigError(unknown("--runner-params", "parameter", key, allowed))
    workers = given.get("max_workers", 1)
    if not isinstance(workers, int) or workers < 1:
        raise ConfigError(f"--runner-params: max_workers is {workers!r}; allowed: from 1")


run = click.Command(
    kedro_run.name, params=[*map(copy, kedro_run.params)], callback=_run, help=kedro_run.help
)
next(option for option in run.params if option.name == "params").callback = split_params
