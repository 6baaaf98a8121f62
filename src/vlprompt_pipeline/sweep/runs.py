"""Run a grid: plan it, hand its jobs out until none is left, then write the reports."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import click
from kedro.framework.session import KedroSession
from yaml import YAMLError

from vlprompt_pipeline.clip.loading import resolve_device
from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.sweep.engines import Engine, LocalEngine, RayEngine, Resources, pause
from vlprompt_pipeline.sweep.grid import GridCell
from vlprompt_pipeline.sweep.job import Job, Outcome, clean_up
from vlprompt_pipeline.sweep.plan import PlannedCell, features_name, plan, shared_jobs
from vlprompt_pipeline.sweep.schedule import Schedule
from vlprompt_pipeline.sweep.side_by_side import forget_groups, with_groups
from vlprompt_pipeline.sweep.tracking import sweep_run
from vlprompt_pipeline.sweep.watch import Watch, failure_table

logger = logging.getLogger(__name__)

_MEMORY_TRIES = 3  # after running out of memory, each with half of the activations kept


@dataclass(frozen=True)
class Options:
    """How a grid is run.

    Attributes:
        engine: `local` is this process, `ray` a Ray here or a cluster.
        resources: what Ray is asked for; `retries` hold for both engines.
        fail_fast: end at the first failure.
        force: run and train cells that are finished, too.
        record: run nothing; log to MLflow what is finished and not recorded.
        report: write the report of each protocol at the end.
        side_by_side: whether cells that are to be run train in groups.
    """

    engine: Literal["local", "ray"] = "local"
    resources: Resources = field(default_factory=Resources)
    fail_fast: bool = False
    force: bool = False
    record: bool = False
    report: bool = True
    side_by_side: Literal["auto", "on", "off"] = "auto"

    def forms_groups(self, device: str) -> bool:
        """Say whether cells train side by side: where nothing is said, on a GPU."""
        if self.side_by_side != "auto":
            return self.side_by_side == "on"
        here = self.engine == "local" and resolve_device(device) == "cuda"
        return here or self.resources.gpus > 0


def run_cells(
    cells: Sequence[GridCell],
    project: Path,
    env: str | None,
    params: Mapping[str, Any],
    options: Options | None = None,
) -> Watch:
    """Run every cell that is not finished, then the report of each protocol.

    The parameters of all cells are checked before the first one runs. A cell that fails does not
    keep the others from running.

    Returns:
        What has happened.

    Raises:
        ClickException: cells failed; it lists them. What is finished is on disk.
        Exit: the user stopped it.
    """
    options = options or Options()
    try:
        planned = plan(cells, project, env, params)
        form = options.forms_groups(planned[0].parameters.device)
        planned = with_groups(planned, form=form, force=options.force)
    except (UserError, YAMLError) as error:
        raise click.ClickException(str(error)) from None
    _check(planned)
    if options.force:
        forget_groups(planned)
    engine = start_engine(options)
    tracked = sweep_run(planned)
    jobs = _jobs(planned, options, tracked.run_id)
    with Watch(len(planned), engine.dashboard) as watch:
        by_name = {each.name: each for each in planned}
        by_features: dict[str, list[PlannedCell]] = {}
        for each in planned:
            by_features.setdefault(features_name(each), []).append(each)

        def remaining(job: Job) -> Job | None:
            if options.force:
                return job
            if job.kind == "shared":  # features are of use to cells that are due
                waiting = by_features.get(job.name)
                return None if waiting and not any(map(PlannedCell.why_due, waiting)) else job
            if by_name[job.name].why_due():
                return job
            # a sweep that was killed may have left it without a run in MLflow
            return None if by_name[job.name].is_recorded() else replace(job, kind="record")

        try:
            hand_out(jobs, engine, watch, remaining, fail_fast=options.fail_fast)
        except KeyboardInterrupt:
            engine.stop(at_once=False)
            clean_up()
            tracked.end(watch, "KILLED")
            click.echo(
                f"stopped: {watch.done} of {watch.cells} cells are finished and kept; the same "
                "command goes on",
                err=True,
            )
            raise click.exceptions.Exit(130) from None
        engine.stop(at_once=True)
    failed = {job.name for job, _ in watch.failures}
    if options.report and not options.record:
        _report([each for each in planned if each.name not in failed], params)
    tracked.end(watch, "FAILED" if failed else "FINISHED")
    if watch.counts["unrecorded"]:
        click.echo(
            f"{watch.counts['unrecorded']} cells are finished but not in MLflow, which did not "
            "answer: the same command logs them later, with --record nothing else",
            err=True,
        )
    if failed:
        raise click.ClickException(_failures(watch, by_name))
    return watch


def start_engine(options: Options) -> Engine:
    """Return the engine, ready for jobs."""
    if options.engine == "ray":
        return RayEngine(options.resources)
    return LocalEngine(options.resources.retries)


def hand_out(
    jobs: Sequence[Job],
    engine: Engine,
    watch: Watch,
    remaining: Callable[[Job], Job | None],
    *,
    fail_fast: bool = False,
) -> None:
    """Give jobs to an engine until none is left.

    Args:
        jobs: in the order in which they are to be begun.
        engine: that runs them.
        watch: that is told.
        remaining: returns what of a job is still to be run, none if it is finished; asked just
            before the job would be started.
        fail_fast: leave the rest out after the first failure.
    """
    schedule = Schedule(jobs)
    while schedule.waiting or watch.running:
        while engine.has_room() and (job := schedule.take()):
            if rest := remaining(job):
                engine.start(rest)
                watch.running += 1
            else:
                schedule.ended(job)
                watch.ended(job, Outcome("found"))
        ended = list(engine.ended())
        for job, outcome in ended:
            watch.running -= 1
            _settle(job, outcome, schedule, watch)
        if ended and all(outcome.status == "busy" for _, outcome in ended):
            pause()
        if fail_fast and watch.failures:
            return


def _settle(job: Job, outcome: Outcome, schedule: Schedule, watch: Watch) -> None:
    if outcome.status == "busy":
        schedule.again(job)
        return
    if outcome.status == "memory":
        if job.trained and job.attempt < _MEMORY_TRIES:
            watch.say(f"{job.name}: out of memory, tried again with fewer activations kept")
            schedule.again(job.with_less_memory())
            return
        outcome = Outcome("failed", f"{outcome.sentence} in {job.attempt + 1} tries")
    schedule.ended(job)
    watch.ended(job, outcome)


def _jobs(planned: Sequence[PlannedCell], options: Options, run_id: str) -> list[Job]:
    common = {"sweep_run": run_id}
    if options.record:
        return [
            each.job(kind="record", **common)
            for each in planned
            if not each.why_due() and not each.is_recorded()
        ]
    cells = [each.job(after=features_name(each), force=options.force, **common) for each in planned]
    return [*shared_jobs(planned), *cells]


def _check(planned: Sequence[PlannedCell]) -> None:
    """Check everything that a session checks, once for all cells of a protocol and a dataset.

    Raises:
        ClickException: wrong parameters.
    """
    alike: dict[tuple[str, str], list[PlannedCell]] = {}
    for each in planned:
        own = each.parameters
        alike.setdefault((own.protocol, own.dataset), []).append(each)
    for cells in alike.values():
        methods = dict.fromkeys(method for each in cells for method in each.methods)
        params = {**cells[0].given, **cells[0].cell, "methods": "+".join(methods)}
        with KedroSession.create(
            cells[0].project, env=cells[0].env, runtime_params=params
        ) as session:
            session.load_context()


def _report(finished: Sequence[PlannedCell], params: Mapping[str, Any]) -> None:
    """Write the report of each protocol, for the cell that comes last."""
    last = {each.parameters.protocol: each for each in finished}
    for each in last.values():
        together = [other for other in finished if other.folder == each.folder]
        methods = dict.fromkeys(method for other in together for method in other.methods)
        given = {**params, **each.cell, "methods": "+".join(methods)}
        given["tracking"] = {**params.get("tracking", {}), "enabled": False}  # it is of no cell
        with KedroSession.create(each.project, env=each.env, runtime_params=given) as session:
            session.run(pipeline_names=["reporting"])


def _failures(watch: Watch, by_name: Mapping[str, PlannedCell]) -> str:
    rows = [
        (job.name, sentence, by_name[job.name].command)
        for job, sentence in watch.failures
        if job.name in by_name
    ]
    count = f"{len(rows)} of {watch.cells} cells failed, the others are finished"
    return f"{count}:\n{failure_table(rows)}"
