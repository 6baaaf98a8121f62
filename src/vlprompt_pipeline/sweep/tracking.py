"""The run of a sweep in MLflow, above those of its cells."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.registry.place import tracking_uri
from vlprompt_pipeline.sweep.plan import PlannedCell
from vlprompt_pipeline.sweep.watch import Watch

if TYPE_CHECKING:
    from vlprompt_pipeline.hooks.mlflow_runs import OpenRun

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SweepRun:
    """The run, or none where nothing is tracked or MLflow does not answer."""

    run: OpenRun | None = None

    @property
    def run_id(self) -> str:
        """MLflow's id; empty without a run."""
        return self.run.run_id if self.run else ""

    def end(self, watch: Watch, status: str) -> None:
        """End the run with what has happened."""
        if self.run is None:
            return
        counts = {f"cells.{name}": str(number) for name, number in sorted(watch.counts.items())}
        try:
            with self.run.experiment.answers():
                self.run.tag(counts)
                self.run.end(status)
        except UserError as error:
            logger.warning("the end of this sweep is not in MLflow: %s", error)


def sweep_run(planned: Sequence[PlannedCell]) -> SweepRun:
    """Find the run of a sweep over just these cells, or begin one."""
    first = planned[0]
    tracking = first.parameters.tracking
    if not tracking.enabled or len(planned) == 1:
        return SweepRun()
    from vlprompt_pipeline.hooks.mlflow_runs import find_or_open
    from vlprompt_pipeline.hooks.run_descriptions import Description, origin_tags
    from vlprompt_pipeline.registry.experiment import Experiment

    key = [str(first.project.resolve()), first.env, dict(first.given)]
    key += [dict(each.cell) for each in planned]
    digest = hashlib.sha256(json.dumps(key, sort_keys=True, default=str).encode()).hexdigest()
    axes = {
        "protocol": {each.parameters.protocol for each in planned},
        "dataset": {each.parameters.benchmark for each in planned},
        "shots": {each.parameters.shots for each in planned},
        "seed": {each.parameters.seed for each in planned},
        "method": {method for each in planned for method in each.methods},
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
            return SweepRun(find_or_open(experiment, f"sweep/{digest[:32]}", described))
    except UserError as error:
        logger.warning("this sweep has no run of its own in MLflow: %s", error)
        return SweepRun()
