"""The run of a sweep in MLflow, above those of its cells."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.filesystem.files import sha256_json
from vlprompt_pipeline.registry.place import tracking_uri
from vlprompt_pipeline.sweep.plan import PlannedCell
from vlprompt_pipeline.sweep.watch import DONE, Watch

if TYPE_CHECKING:
    from vlprompt_pipeline.hooks.mlflow_runs import OpenRun

logger = logging.getLogger(__name__)


def sweep_run(planned: Sequence[PlannedCell]) -> OpenRun | None:
    """Find the run of a sweep over just these cells, or begin one.

    Returns:
        The run; None if nothing is tracked, or MLflow does not answer.
    """
    first = planned[0]
    tracking = first.parameters.tracking
    if not tracking.enabled or len(planned) == 1:
        return None
    from vlprompt_pipeline.hooks.mlflow_runs import find_or_open
    from vlprompt_pipeline.hooks.run_descriptions import Description, origin_tags
    from vlprompt_pipeline.registry.experiment import Experiment

    key = [str(first.project.resolve()), first.env, dict(first.given)]
    key += [dict(cell.coordinates) for cell in planned]
    axes = {
        "protocol": {cell.parameters.protocol for cell in planned},
        "dataset": {cell.parameters.benchmark for cell in planned},
        "shots": {cell.parameters.shots for cell in planned},
        "seed": {cell.parameters.seed for cell in planned},
        "method": {method for cell in planned for method in cell.methods},
    }
    described = Description(
        f"sweep of {len(planned)} cells",
        {f"sweep.{name}": ", ".join(map(str, sorted(values))) for name, values in axes.items()},
        {**origin_tags(), "mlflow.source.name": "kedro sweep"},
    )
    try:
        uri = tracking_uri(tracking.uri, first.project)
        experiment = Experiment.open(uri, tracking.experiment, first.project)
        with experiment.answers():
            return find_or_open(experiment, f"sweep/{sha256_json(key)[:32]}", described)
    except UserError as error:
        logger.warning("this sweep has no run of its own in MLflow: %s", error)
        return None


def end_run(run: OpenRun, watch: Watch, status: str) -> None:
    """End the run of a sweep with what has happened."""
    # all counts, since the run may have some of an earlier sweep over the same cells
    counts = {f"cells.{name}": str(watch.counts[name]) for name in (*DONE, "failed")}
    try:
        with run.experiment.answers():
            run.tag(counts)
            run.end(status)
    except UserError as error:
        logger.warning("the end of this sweep is not in MLflow: %s", error)
