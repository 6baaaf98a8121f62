"""Run a grid: plan it, hand its jobs out until none is left, then write the reports."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import click
from kedro.framework.session import KedroSession

from vlprompt_pipeline.clip.loading import resolve_device
from vlprompt_pipeline.sweep.engines import LocalEngine, RayEngine, Resources
from vlprompt_pipeline.sweep.grid import GridCell
from vlprompt_pipeline.sweep.job import Job
from vlprompt_pipeline.sweep.plan import PlannedCell, plan, shared_jobs
from vlprompt_pipeline.sweep.schedule import hand_out
from vlprompt_pipeline.sweep.side_by_side import forget_groups, with_groups
from vlprompt_pipeline.sweep.tracking import end_run, sweep_run
from vlprompt_pipeline.sweep.watch import Watch
from vlprompt_pipeline.sweep.worker import clean_up
from vlprompt_pipeline.wording import counted

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """How a grid is run.

    Attributes:
        engine: `local` is this process, `ray` a Ray here or a cluster.
        resources: of a job in Ray; `retries` hold for both engines.
        fail_fast: end at the first failure.
        force: train and run finished cells again, too.
        record: run nothing; log finished cells that MLflow lacks.
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
        """Say whether cells train side by side; `auto` does so on a GPU."""
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
        UserError: wrong parameters.
        ClickException: cells failed; it lists them. What is finished is on disk.
        Exit: the user stopped it.
    """
    options = options or Options()
    planned = checked_plan(cells, project, env, params, options)
    if options.force:
        forget_groups(planned)
    resources = options.resources
    engine = RayEngine(resources) if options.engine == "ray" else LocalEngine(resources.retries)
    tracked = sweep_run(planned)
    jobs = _jobs(planned, options, tracked.run_id if tracked else "")
    watch, status = Watch(len(planned), engine.dashboard), "FAILED"
    try:
        with watch:
            remaining = _remaining(planned, force=options.force)
            hand_out(jobs, engine, watch, remaining, fail_fast=options.fail_fast)
        engine.stop(at_once=True)
        failed = {job.name for job, _ in watch.failures}
        if options.report and not options.record and not (options.fail_fast and failed):
            _report([cell for cell in planned if cell.name not in failed])
        if not failed:
            status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        click.echo(
            f"stopped: {watch.done} of {watch.cells} cells are finished and kept; the same "
            "command goes on",
            err=True,
        )
        raise click.exceptions.Exit(130) from None
    finally:
        engine.stop(at_once=status != "KILLED")
        clean_up()
        if tracked:
            end_run(tracked, watch, status)
    if lacking := watch.counts["unrecorded"]:
        click.echo(
            f"finished but not in MLflow: {counted(lacking, 'cell')}; the same command logs them "
            f"later, with --record nothing else. {watch.unrecorded}",
            err=True,
        )
    if failed:
        raise click.ClickException(_failures(watch, planned, options.fail_fast))
    return watch


def checked_plan(
    cells: Sequence[GridCell],
    project: Path,
    env: str | None,
    params: Mapping[str, Any],
    options: Options,
) -> list[PlannedCell]:
    """Plan cells with the groups that they train in, and check all of them before one runs.

    Raises:
        UserError: wrong parameters.
        ClickException: wrong parameters that only a session finds.
    """
    planned = plan(cells, project, env, params)
    form = options.forms_groups(planned[0].parameters.device)
    planned = with_groups(planned, form=form, force=options.force)
    _require_valid(planned)
    return planned


def _remaining(planned: Sequence[PlannedCell], *, force: bool) -> Callable[[Job], Job | None]:
    """Return a function that says which part of a job is still to be run."""
    by_name = {cell.name: cell for cell in planned}
    by_features: dict[str, list[PlannedCell]] = defaultdict(list)
    for cell in planned:
        by_features[cell.shared_features].append(cell)

    def remaining(job: Job) -> Job | None:
        if force:
            return job
        if job.kind == "shared":  # features are of use to cells that are due
            waiting = by_features.get(job.name)
            return None if waiting and not any(map(PlannedCell.why_due, waiting)) else job
        if by_name[job.name].why_due():
            return job
        # a sweep that was killed may have left it without a run in MLflow
        return None if by_name[job.name].is_recorded() else replace(job, kind="record")

    return remaining


def _jobs(planned: Sequence[PlannedCell], options: Options, run_id: str) -> list[Job]:
    if options.record:
        finished = [cell for cell in planned if not cell.why_due()]
        unrecorded = [cell for cell in finished if not cell.is_recorded()]
        return [cell.job(kind="record", sweep_run=run_id) for cell in unrecorded]
    how = {"force": options.force, "sweep_run": run_id}
    return [
        *shared_jobs(planned),
        *(cell.job(after=cell.shared_features, **how) for cell in planned),
    ]


def _require_valid(planned: Sequence[PlannedCell]) -> None:
    """Check everything that a session checks, once for all cells of a protocol and a dataset.

    Raises:
        ClickException: wrong parameters.
    """
    alike: dict[tuple[str, str], list[PlannedCell]] = defaultdict(list)
    for cell in planned:
        alike[cell.parameters.protocol, cell.parameters.dataset].append(cell)
    for cells in alike.values():
        first = cells[0]
        methods = dict.fromkeys(method for cell in cells for method in cell.methods)
        params = {**first.params, "methods": "+".join(methods)}
        with KedroSession.create(first.project, env=first.env, runtime_params=params) as session:
            session.load_context()


def _report(finished: Sequence[PlannedCell]) -> None:
    """Write the report of each protocol, as a run of its last cell."""
    last = {cell.parameters.protocol: cell for cell in finished}
    for cell in last.values():
        together = [other for other in finished if other.folder == cell.folder]
        methods = dict.fromkeys(method for other in together for method in other.methods)
        given = {**cell.params, "methods": "+".join(methods)}
        protocol = cell.parameters.protocol
        swept = {o.parameters.dataset for o in finished if o.parameters.protocol == protocol}
        if len(swept) > 1:  # own photos that were swept together stand beside each other
            asked = {**cell.given.get("benchmark_report", {}), "datasets": sorted(swept)}
            given["benchmark_report"] = asked
        given["tracking"] = {**cell.given.get("tracking", {}), "enabled": False}  # it is of no cell
        with KedroSession.create(cell.project, env=cell.env, runtime_params=given) as session:
            session.run(pipeline_names=["reporting"])


def _failures(watch: Watch, planned: Sequence[PlannedCell], fail_fast: bool) -> str:
    """Write cells that failed, each with its sentence and the command that repeats it."""
    commands = {cell.name: cell.command for cell in planned}
    others = f"of the others {watch.done} are" if fail_fast else "the others are"
    lines = [f"{len(watch.failures)} of {watch.cells} cells failed, {others} finished:"]
    for job, why in watch.reasons():
        lines += [f"  {job.name}", f"    {why}", f"    again: {commands[job.name]}"]
    return "\n".join(lines)
