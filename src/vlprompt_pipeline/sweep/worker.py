"""Run a job of a sweep in any process: a Kedro session with parameters of its own.

The same function runs a cell here, in a worker of Ray and on another machine. It returns an
outcome. It raises only where a failure may pass by itself, so that the engine tries the job again.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from time import monotonic, perf_counter
from typing import Any

from kedro.framework.project import settings
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from kedro.pipeline import Pipeline
from kedro.runner import SequentialRunner

from vlprompt_pipeline.errors import PlaceError, TrackingError, UserError
from vlprompt_pipeline.filesystem.locks import HeldByAnotherError
from vlprompt_pipeline.filesystem.places import withdraw_folder
from vlprompt_pipeline.hooks.errors import causes, in_one_sentence, is_out_of_memory, is_refusal
from vlprompt_pipeline.hooks.run_descriptions import SWEEP_RUN
from vlprompt_pipeline.sweep.job import Job, Outcome, Status, TransientError
from vlprompt_pipeline.sweep.plan import PlannedCell


class Absence:
    """MLflow did not answer: cells of this process do without it for a minute.

    Otherwise each cell of a sweep would wait anew for an answer.

    Attributes:
        reason: the sentence of the error that began it.
    """

    SECONDS = 60.0

    def __init__(self) -> None:
        self._until = 0.0
        self.reason = ""

    def begin(self, reason: str) -> None:
        """Do without MLflow from now on."""
        self.reason = reason
        self._until = monotonic() + self.SECONDS

    def __bool__(self) -> bool:
        return monotonic() < self._until


mlflow_absence = Absence()
_bootstrap = cache(bootstrap_project)


class CellRunner(SequentialRunner):
    """Runs the nodes of a cell unless it is finished, which another sweep may have done by now.

    Kedro has called the hooks of a run's beginning by then, so the cell is locked. The hooks of its
    end log what is finished and not in MLflow.

    Attributes:
        is_done: the cell was finished already, and MLflow has it.
    """

    def __init__(self, job: Job) -> None:
        super().__init__()
        self._job, self._force = job, job.force
        self.is_done = False

    @property
    def _logger(self) -> logging.Logger:
        """The logger of Kedro's runners, which conf/logging.yml quiets, not that of this module."""
        return logging.getLogger(SequentialRunner.__module__)

    def _run(self, pipeline: Pipeline, catalog: Any, *args: Any, **kwargs: Any) -> None:
        cell = PlannedCell.of_run(catalog.load("parameters"), Path(self._job.project))
        if self._force:
            _forget(cell)
            self._force = False  # a second session, without MLflow, continues this one
        why_due = cell.why_due()
        if why_due and self._job.kind == "record":  # the hooks of the end would call it finished
            raise UserError(f"it is due again ({why_due}): give the sweep again, without --record")
        self.is_done = not why_due and cell.is_recorded()
        if why_due:
            super()._run(pipeline, catalog, *args, **kwargs)


def run_job(job: Job) -> Outcome:
    """Run a job in this process.

    Raises:
        TransientError: it may be tried again as it is; the message is the sentence.
    """
    project = Path(job.project)
    _bootstrap(project)
    os.environ[SWEEP_RUN] = job.sweep_run
    begun = perf_counter()
    try:
        status = _run(job)
    except Exception as error:
        return _failed(error, project)
    finally:
        clean_up()
        os.environ.pop(SWEEP_RUN, None)
    reason = mlflow_absence.reason if status == "unrecorded" else ""
    return Outcome(status, reason, perf_counter() - begun)


def _run(job: Job) -> Status:
    """Run the session, without MLflow if that does not answer."""
    runner = CellRunner(job)
    tracked = job.kind != "shared" and job.params.get("tracking", {}).get("enabled", True)
    if not (tracked and mlflow_absence):
        try:
            run_session(job, job.params, runner)
            return "found" if runner.is_done else "finished"
        except Exception as error:
            away = [cause for cause in causes(error) if isinstance(cause, TrackingError)]
            if not (tracked and away):
                raise
            mlflow_absence.begin(str(away[0]))
            clean_up()
    if job.kind == "cell":
        run_session(job, {**job.params, "tracking": {"enabled": False}}, runner)
    return "unrecorded"


def run_session(job: Job, params: Mapping[str, Any], runner: CellRunner) -> None:
    """Run the session of a job: all stages of a cell, or those that make what cells share."""
    if job.kind == "shared":
        given = {**params, "tracking": {"enabled": False}}
        stages = ["data_preparation", "few_shot_sampling", "feature_extraction", "transfer"]
        run = {"pipeline_names": stages, "to_outputs": list(job.outputs)}
    else:
        given = {**params, "wait_for_other_runs": 0}  # a busy cell is put back
        run = {"pipeline_names": ["cell"], "runner": runner}
    with KedroSession.create(job.project, env=job.env, runtime_params=given) as session:
        session.run(**run)


def _failed(error: Exception, project: Path) -> Outcome:
    chain = list(causes(error))
    if any(isinstance(cause, HeldByAnotherError) for cause in chain):
        return Outcome("busy")
    if any(map(is_out_of_memory, chain)):
        return Outcome("memory", "it ran out of memory")
    sentence = in_one_sentence(error, project).message
    full = any(getattr(cause, "errno", None) == errno.ENOSPC for cause in chain)
    away = any(isinstance(cause, PlaceError) for cause in chain)
    if full or away or not is_refusal(error):
        raise TransientError(sentence) from None  # what caused it may not cross to the driver
    return Outcome("failed", sentence)


def _forget(cell: PlannedCell) -> None:
    """Remove the files of a forced cell, so that it is not finished and trains from the start."""
    checkpoints = cell.project / "data/06_models" / cell.folder / "checkpoints"
    for method in cell.methods:
        withdraw_folder(cell.data.root / "06_models" / cell.folder / method)
        (checkpoints / f"{method}.safetensors").unlink(missing_ok=True)


def clean_up() -> None:
    """Let hooks end runs that were cut short, of whose end Kedro does not tell them."""
    for hook in settings.HOOKS:
        if hasattr(hook, "cut_short"):
            with suppress(Exception):  # the outcome is known
                hook.cut_short()
