"""Write the reproducibility record of each method when a run ends and its times are known."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl
from kedro.io import DatasetError

from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.hooks.run_hook import RunHook
from vlprompt_pipeline.hooks.steps import StepHook
from vlprompt_pipeline.pipelines.namespaces import method_of

if TYPE_CHECKING:
    from vlprompt_pipeline.reproducibility.record import Record
    from vlprompt_pipeline.reproducibility.usage import Clock

logger = logging.getLogger(__name__)

RECORDED = ("prompt", "packed_prompt", "predictions", "target_predictions")
"""Outputs of a method whose files are in its record."""


class ReproducibilityHook(RunHook):
    """Record which run made which file; a run that changes no file changes no record.

    Seconds of nodes are those of `steps`.
    """

    def __init__(self, steps: StepHook) -> None:
        self._steps = steps
        self._clock: Clock

    @hook_impl
    def before_pipeline_run(self, pipeline: Any) -> None:
        """Start the clock, and look at the commit before anybody makes another one."""
        from vlprompt_pipeline.reproducibility.environment import environment
        from vlprompt_pipeline.reproducibility.usage import Clock

        self._clock = Clock.start()
        if _recorded_outputs(pipeline):
            environment()  # keeps what it has read of the checkout

    @hook_impl(tryfirst=True)  # MLflow logs the records, too
    def after_pipeline_run(self, run_params: dict[str, Any], pipeline: Any, catalog: Any) -> None:
        """Write the records of the methods that this run made something of."""
        outputs = _recorded_outputs(pipeline)
        if not outputs:
            return
        from vlprompt_pipeline.reproducibility.record import MadeFile, Record, Run, updated

        cost = self._clock.stop()
        for method, names in outputs.items():
            files = {name: self._hashed(catalog, f"{method}.{name}") for name in names}
            latest = Record.of(
                method,
                catalog.load(f"{method}.prompt"),
                {name: MadeFile(path=path, sha256=sha) for name, (path, sha) in files.items()},
                Run.of(
                    cost,
                    pipelines=run_params["pipeline_names"] or ["__default__"],
                    runner=_runner(run_params),
                    nodes=self._seconds(pipeline, outputs.keys() - {method}),
                    found_trained=self._found_trained(catalog, method),
                    parameters=self._parameters,
                ),
            )
            stored = catalog.get(f"{method}.reproducibility")
            earlier = _earlier(stored)
            if (record := updated(earlier, latest)) != earlier:
                stored.save(record.model_dump(mode="json"))

    def _seconds(self, pipeline: Any, others: set[str]) -> dict[str, float]:
        """Return the seconds of each node except those of other methods; none if not measured."""
        names = {node.name for node in pipeline.nodes if method_of(node.namespace) not in others}
        return {name: round(s, 3) for name, s in self._steps.seconds.items() if name in names}

    def _found_trained(self, catalog: Any, method: str) -> bool:
        from vlprompt_pipeline.config import SideBySideParameters
        from vlprompt_pipeline.training.groups import group_file, members

        run = self._parameters
        side_by_side = SideBySideParameters.model_validate(run["side_by_side"])
        group = members(method, run["seed"], side_by_side, run["recipes"])
        alone = catalog.load("params:checkpoint_folder") / f"{method}.safetensors"
        file = alone if len(group) == 1 else group_file(catalog.load("params:group_folder"), group)
        return file.is_file() and file.stat().st_mtime < self._clock.started.timestamp()


def _earlier(stored: Any) -> Record | None:
    """Read the record on disk; a broken one is replaced, for the run has its results already."""
    from vlprompt_pipeline.reproducibility.record import Record

    if not stored.exists():
        return None
    try:
        return Record.read(stored.load())
    except (DatasetError, UserError) as error:
        logger.warning("%s is broken and is written anew (%s)", stored.filepath, error)
        return None


def _recorded_outputs(pipeline: Any) -> dict[str, list[str]]:
    """List the recorded outputs of each method, without the method's name in front."""
    outputs: dict[str, list[str]] = {}
    for name in sorted(pipeline.all_outputs()):
        method, _, output = name.partition(".")
        if output.rpartition(".")[2] in RECORDED:
            outputs.setdefault(method, []).append(output)
    return outputs


def _runner(run_params: dict[str, Any]) -> str:
    """Return the class of the runner, which Kedro gives by `repr`, `None` for the default."""
    name = run_params["runner"].partition(" ")[0].rpartition(".")[2]
    return "SequentialRunner" if name == "None" else name
