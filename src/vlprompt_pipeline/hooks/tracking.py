"""MLflow: a run for each cell and its settings, with one below it for each method.

Which outputs are logged stands in the catalog: `metadata: {mlflow: artifact | metrics | history}`.
Everything is logged at the end from the catalog, so that the runner does not matter and nodes know
nothing of MLflow. A run is opened when its first node has ended, and withdrawn if the command is
refused later: wrong input is no failed run in MLflow's lists. MLflow itself is imported when a run
starts, not with the project.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click
from kedro.framework.hooks import hook_impl

from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.hooks.errors import is_refusal
from vlprompt_pipeline.hooks.run_descriptions import RunDescriptions
from vlprompt_pipeline.hooks.run_hook import RunHook
from vlprompt_pipeline.hooks.run_outputs import (
    LoggedOutput,
    data_tags,
    logged_outputs,
    made_with,
    prompt_hash,
)
from vlprompt_pipeline.registry.place import tracking_uri

if TYPE_CHECKING:
    from vlprompt_pipeline.hooks.mlflow_runs import OpenRun

logger = logging.getLogger(__name__)


class TrackingHook(RunHook):
    """Record runs in MLflow."""

    def __init__(self) -> None:
        self._descriptions: RunDescriptions | None = None
        self._run: OpenRun | None = None
        self._open: Callable[[], OpenRun] | None = None
        self._process = 0
        self._one_at_a_time = threading.Lock()  # nodes end in threads, too
        atexit.register(self.cut_short)

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Any, catalog: Any) -> None:
        """See that MLflow answers, and end the runs that were interrupted or killed.

        Raises:
            ClickException: MLflow is not where the parameters or the environment say.
        """
        self.cut_short()  # one that was interrupted in a notebook, whose process lives on
        self._process = os.getpid()
        tracking = self._parameters["tracking"]
        if not tracking["enabled"]:
            return
        from vlprompt_pipeline.hooks import mlflow_runs
        from vlprompt_pipeline.registry.experiment import Experiment

        uri = tracking_uri(tracking["uri"], self._project)
        descriptions = self._descriptions = RunDescriptions(self._parameters, self._project, uri)
        names = run_params["pipeline_names"] or ["__default__"]
        _, by_method = logged_outputs(pipeline, catalog)
        try:
            experiment = Experiment.open(uri, tracking["experiment"], self._project)
            with experiment.answers():
                if ended := mlflow_runs.close_dead_runs(experiment):
                    logger.info("MLflow: %d runs whose process is gone end as killed", ended)
                if by_method:
                    key, described = descriptions.cell_key(), descriptions.of_cell(names)
                else:
                    key, described = None, descriptions.of_other(names)
        except UserError as error:
            raise click.ClickException(str(error)) from error

        def find_or_open() -> OpenRun:
            with experiment.answers():
                return mlflow_runs.find_or_open(experiment, key, described)

        self._open = find_or_open

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
        shared, by_method = logged_outputs(pipeline, catalog)
        try:
            with run.experiment.answers():
                try:
                    self._log(run, catalog, shared, by_method, data_tags(pipeline, catalog))
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
        """End a failed run as FAILED, with the reason; a refused command leaves no run."""
        if is_refusal(error):
            self._withdraw()
            return
        with suppress(click.ClickException):  # the error itself is on its way to the user
            self._begin()
        self._end("FAILED", str(error))

    def cut_short(self) -> None:
        """End a run that the user stops as KILLED."""
        self._open = None
        self._end("KILLED", "stopped before its end")

    def _begin(self) -> None:
        with self._one_at_a_time:
            if self._open is None:
                return
            begin, self._open = self._open, None
            try:
                self._run = begin()
            except UserError as error:
                raise click.ClickException(str(error)) from error

    def _withdraw(self) -> None:
        self._open = None
        run, self._run = self._run, None
        if run is not None:
            with suppress(UserError), run.experiment.answers():
                run.withdraw()

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
        shared: dict[str, LoggedOutput],
        by_method: dict[str, dict[str, LoggedOutput]],
        tags: dict[str, str],
    ) -> None:
        describe = self._descriptions
        if tags:
            run.tag(tags)
        run.log_outputs(shared)
        as_before = []
        inputs = [describe.inputs(catalog, method) for method in by_method]
        run.log_inputs(inputs[0] if inputs else [])  # those of a cell are the same for each method
        for (method, outputs), made_of in zip(by_method.items(), inputs, strict=True):
            child = run.child(describe.made_from(catalog, method), describe.of_method(method))
            child.log_inputs(made_of)
            child.log_outputs(outputs)
            if child.news or not child.finished:
                made = made_with(catalog, method)
                child.tag({**tags, **made, **prompt_hash(method, outputs)})
            else:
                as_before.append(method)
            child.end("FINISHED")
        if as_before:
            logger.info("MLflow has these results already: %s", ", ".join(as_before))
