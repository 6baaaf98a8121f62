"""MLflow: a run for each cell and its settings, with one below it for each method.

Which outputs are logged stands in the catalog: `metadata: {mlflow: artifact | metrics | history}`.
Everything is logged at the end from the catalog, so that the runner does not matter and nodes know
nothing of MLflow. A run is opened when its first node has ended: a command that was refused before
it did any work is no run, and no failed one in MLflow's lists. MLflow itself is imported when a run
starts, not with the project.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import logging
import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from kedro.framework.hooks import hook_impl

from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.hooks.errors import is_refusal
from vlprompt_pipeline.registry.place import database_of, tracking_uri

if TYPE_CHECKING:
    from vlprompt_pipeline.hooks.mlflow_runs import Description, OpenRun

logger = logging.getLogger(__name__)

# Parameters by which a run is found; they stand on it as tags, too.
_FOUND_BY = ("dataset", "protocol", "shots", "seed")
# Where images lie and how they are read decides no result: moved photos are no other settings.
_NO_SETTINGS = {"dataset", "dataset_prefix", "dataset_root", *_FOUND_BY}
_NO_FEATURE_SETTINGS = {"batch_size", "shard_size", "workers"}
# Parameter sections of pipelines that are about no cell.
_SECTIONS = {"prediction": "prediction", "promote": "registry", "register": "registry"}


class TrackingHook:
    """Record runs in MLflow."""

    def __init__(self) -> None:
        self._parameters: dict[str, Any] = {}
        self._project = Path()
        self._uri = ""
        self._run: OpenRun | None = None
        self._answers: Callable[[], AbstractContextManager[None]] = nullcontext
        self._open: Callable[[], OpenRun] | None = None
        self._process = 0
        self._one_at_a_time = threading.Lock()  # nodes end in threads, too
        atexit.register(self._cut_short)

    @hook_impl
    def after_context_created(self, context: Any) -> None:
        """Remember the parameters and the project's folder."""
        self._parameters = dict(context.config_loader["parameters"])
        self._project = Path(context.project_path)

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Any, catalog: Any) -> None:
        """See that MLflow answers, and end the runs whose process was killed.

        Raises:
            ClickException: MLflow is not where the parameters or the environment say.
        """
        self._run = self._open = None
        self._process = os.getpid()
        tracking = self._parameters["tracking"]
        if not tracking["enabled"]:
            return
        from vlprompt_pipeline.hooks import mlflow_runs
        from vlprompt_pipeline.registry.experiment import Experiment

        self._uri = tracking_uri(tracking["uri"], self._project)
        names = run_params["pipeline_names"] or ["__default__"]
        _, by_method = _logged_outputs(pipeline, catalog)
        try:
            experiment = Experiment.open(self._uri, tracking["experiment"], self._project)
            with experiment.answers():
                if ended := mlflow_runs.close_dead_runs(experiment):
                    logger.info("MLflow: %d runs whose process is gone end as killed", ended)
                if by_method:
                    key, described = self._cell_key(), self._describe_cell(names)
                else:
                    key, described = None, self._describe_other(names)
        except UserError as error:
            raise click.ClickException(str(error)) from error
        self._open = partial(mlflow_runs.find_or_open, experiment, key, described)
        self._answers = experiment.answers

    @hook_impl
    def after_node_run(self) -> None:
        """Open the run, for there is work in it now.

        Raises:
            ClickException: MLflow does not answer any more.
        """
        if os.getpid() == self._process:  # not in a worker process, which knows nothing of others
            self._begin()

    @hook_impl
    def after_pipeline_run(self, pipeline: Any, catalog: Any) -> None:
        """Log shared outputs to the cell's run and a method's to its own, then end both.

        Raises:
            ClickException: MLflow takes no more; what the run made is in the catalog's files.
        """
        self._begin()
        run, self._run = self._run, None
        if run is None:
            return
        shared, by_method = _logged_outputs(pipeline, catalog)
        try:
            with run.experiment.answers():
                try:
                    self._log(run, catalog, shared, by_method, _data_tags(pipeline, catalog))
                except Exception as error:
                    with suppress(Exception):  # what has just refused may refuse this, too
                        run.end("FAILED", str(error))
                    raise
                run.end("FINISHED")
        except UserError as error:
            raise click.ClickException(
                f"everything is computed and under data/, but not recorded: {error}; the same "
                "command records it later and computes nothing again"
            ) from error

    @hook_impl(tryfirst=True)
    def on_pipeline_error(self, error: Exception) -> None:
        """End a failed run as FAILED, with the reason; what was refused before work is no run."""
        if not is_refusal(error):
            with suppress(click.ClickException):  # the error itself is on its way to the user
                self._begin()
        self._open = None
        self._end("FAILED", str(error))

    def _cut_short(self) -> None:
        """End a run that the user stops as KILLED."""
        self._end("KILLED", "stopped before its end")

    def _begin(self) -> None:
        with self._one_at_a_time:
            if self._open is None:
                return
            begin, self._open = self._open, None
            try:
                with self._answers():
                    self._run = begin()
            except UserError as error:
                raise click.ClickException(str(error)) from error

    def _end(self, status: str, reason: str) -> None:
        run, self._run = self._run, None
        if run is None:
            return
        try:
            with run.experiment.answers():
                run.end(status, reason)
        except UserError as error:  # the reason itself is on its way to the user
            logger.warning("the end of this run is not in MLflow: %s", error)

    def _log(
        self,
        run: OpenRun,
        catalog: Any,
        shared: dict[str, str],
        by_method: dict[str, dict[str, str]],
        data_tags: dict[str, str],
    ) -> None:
        if data_tags:
            run.tag(data_tags)
        run.log_outputs(catalog, shared)
        as_before = []
        for method, outputs in by_method.items():
            child = run.child(self._made_from(catalog, method), self._describe_method(method))
            child.log_inputs(self._inputs(catalog, method))
            child.log_outputs(catalog, outputs)
            if child.news or not child.finished:
                child.tag(
                    {
                        **data_tags,
                        **_made_with(catalog, method),
                        **_prompt_hash(catalog, method, outputs),
                    }
                )
            else:
                as_before.append(method)
            child.end("FINISHED")
        if as_before:
            logger.info("MLflow has these results already: %s", ", ".join(as_before))

    def _cell_key(self) -> str:
        """Return the key of the run of this cell with these settings.

        Several projects may record at one server: there the project's folder is part of it.
        """
        database = database_of(self._uri)
        at_home = database is not None and database.parent == self._project.resolve()
        parts = [
            "" if at_home else str(self._project.resolve()),
            self._cell(),
            self._settings(),
        ]
        return _digest(parts)

    def _cell(self) -> dict[str, Any]:
        """Return the parameters by which every run of this cell is found."""
        from vlprompt_pipeline.config import parse_run_parameters

        parameters = parse_run_parameters(self._parameters)
        found_by = {name: getattr(parameters, name) for name in _FOUND_BY}
        return {**found_by, "dataset": parameters.benchmark}

    def _settings(self) -> dict[str, Any]:
        """Return the other parameters that the results depend on, without recipes."""
        from vlprompt_pipeline.reproducibility import result_parameters

        values = result_parameters(self._parameters)
        features = values["features"].items()
        values["features"] = {k: v for k, v in features if k not in _NO_FEATURE_SETTINGS}
        return {name: value for name, value in values.items() if name not in _NO_SETTINGS}

    def _describe_cell(self, pipelines: list[str]) -> Description:
        from vlprompt_pipeline.hooks.mlflow_runs import Description, origin_tags

        cell = self._cell()
        name = "{dataset}, {shots} shots, seed {seed}, {protocol}".format(**cell)
        tags = {**_as_tags(cell), **origin_tags(), "kedro.pipelines": ", ".join(pipelines)}
        return Description(name, {**cell, **self._settings()}, tags)

    def _describe_method(self, method: str) -> Description:
        from vlprompt_pipeline.hooks.mlflow_runs import Description, origin_tags
        from vlprompt_pipeline.methods.recipe import resolve_recipe

        cell = {**self._cell(), "method": method}
        recipe = resolve_recipe(method, self._parameters["recipes"])
        settings = recipe.model_dump(mode="json", exclude_none=True, exclude={"title"})
        settings["recipe.method"] = settings.pop("method")  # `method` is the recipe's own name
        name = "{method}, {shots} shots, seed {seed}, {dataset}, {protocol}".format(**cell)
        clip = {"clip": self._parameters["clip"]}
        tags = {**_as_tags(cell), **origin_tags(), "clip": self._parameters["clip"]["name"]}
        return Description(name, {**cell, **clip, **settings}, {**tags, "title": recipe.title})

    def _describe_other(self, pipelines: list[str]) -> Description:
        """Describe a run that is about no cell: a check, a prediction, a report over everything."""
        from vlprompt_pipeline.hooks.mlflow_runs import Description, origin_tags

        sections = {_SECTIONS.get(name, name) for name in pipelines}
        logged = {name: self._parameters[name] for name in sections if name in self._parameters}
        name = ", ".join(pipelines)
        if "prediction" in pipelines:
            name = f"prediction, {self._parameters['prediction']['model']}"
        elif {"promote", "register", "verify", "analysis"} & {*pipelines}:
            logged |= self._cell()
            name = f"{name}, {{dataset}}, {{shots}} shots, seed {{seed}}".format(**self._cell())
        return Description(name, logged, {**origin_tags(), "kedro.pipelines": ", ".join(pipelines)})

    def _made_from(self, catalog: Any, method: str) -> str:
        """Hash all that the results of a method depend on beside the cell's parameters."""
        from vlprompt_pipeline.methods import get_method, resolve_recipe
        from vlprompt_pipeline.source_code import code_digest

        record = f"{method}.reproducibility"
        hashes = catalog.load(record)["hashes"] if catalog.exists(record) else None
        recipe = resolve_recipe(method, self._parameters["recipes"])
        trained_by = catalog.load(f"{method}.prompt").provenance.get("code", "")
        evaluated_by = code_digest("results", get_method(recipe.method).learner)
        return _digest([method, hashes, trained_by, evaluated_by])

    def _inputs(self, catalog: Any, method: str) -> list[tuple[str, str, str, str]]:
        """Return the dataset and the few-shot set that a method's prompt was trained on."""
        if not catalog.exists(f"{method}.reproducibility"):
            return []
        hashes = catalog.load(f"{method}.reproducibility")["hashes"]
        cell = self._cell()
        dataset = cell["dataset"]
        few_shot = "{dataset}, {shots} shots, seed {seed}".format(**cell)
        folder = str(Path(self._parameters["dataset_root"], dataset))
        return [
            (dataset, hashes["split"], folder, "evaluation"),
            (few_shot, hashes["few_shot"], folder, "training"),
        ]


def _digest(values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:32]


def _as_tags(values: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}


def _data_tags(pipeline: Any, catalog: Any) -> dict[str, str]:
    """Return a tag for runs on another split than the official one."""
    if "dataset_card" not in pipeline.datasets():
        return {}
    mark = catalog.load("dataset_card").random_split
    return {"split": mark} if mark else {}


def _made_with(catalog: Any, method: str) -> dict[str, str]:
    """Return tags of the environment that made the method's files, to search runs by."""
    record = f"{method}.reproducibility"
    if not catalog.exists(record):
        return {}
    made = catalog.load(record)["runs"][-1]["environment"]
    return {
        "made.commit": str(made["code"]["commit"]),
        "made.dirty": str(made["code"]["dirty"]),
        "made.torch": made["versions"]["torch"],
        "made.cpu": made["hardware"]["cpu"],
    }


def _prompt_hash(catalog: Any, method: str, outputs: dict[str, str]) -> dict[str, str]:
    """Return the hash by which a registered model finds the run of its prompt."""
    name = f"{method}.packed_prompt"
    if name not in outputs:
        return {}
    return {"prompt_sha256": hashlib.sha256(catalog.load(name)).hexdigest()}


def _logged_outputs(
    pipeline: Any, catalog: Any
) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """List the outputs to log and how: shared ones, and those of each method.

    The reproducibility record, which a hook has written, goes with the method's.
    """
    shared: dict[str, str] = {}
    by_method: dict[str, dict[str, str]] = {}
    for name in sorted(pipeline.all_outputs()):
        kind = (getattr(catalog.get(name), "metadata", None) or {}).get("mlflow")
        method, namespaced, _ = name.partition(".")
        if kind is not None:
            (by_method.setdefault(method, {}) if namespaced else shared)[name] = kind
    for method, outputs in by_method.items():
        if catalog.exists(record := f"{method}.reproducibility"):
            outputs[record] = "artifact"
    return shared, by_method
