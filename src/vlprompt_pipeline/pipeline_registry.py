"""The pipelines by name, for the methods and targets of the current run."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from kedro.pipeline import Pipeline

from vlprompt_pipeline.selection import selected

STAGES = (
    "data_preparation",
    "few_shot_sampling",
    "feature_extraction",
    "prompt_training",
    "quantization_export",
    "transfer",
    "evaluation",
    "reporting",
)
APART = (
    "data_download",
    "data_check",
    "few_shot_sets",
    "demo_pretraining",
    "analysis",
    "benchmark_report",
    "verify",
    "register",
    "promote",
    "prediction",
)
"""What is run for itself alone."""


def register_pipelines() -> dict[str, Pipeline]:
    """One pipeline a stage; `cell` is all of them but the report, `__default__` all.

    A protocol's pipeline is the whole with the targets of that protocol.
    """
    methods, own, by_protocol, verified = selected()

    @cache
    def stages(targets: tuple[str, ...]) -> dict[str, Pipeline]:
        return {stage: _create(stage, methods, targets) for stage in STAGES}

    @cache
    def whole(targets: tuple[str, ...]) -> Pipeline:
        return Pipeline(list(stages(targets).values()))

    return {
        "__default__": whole(own),
        **{protocol: whole(targets) for protocol, targets in by_protocol.items()},
        "cell": Pipeline([stages(own)[stage] for stage in STAGES[:-1]]),
        **{name: _create(name, methods, own, verified) for name in APART},
        **stages(own),
    }


def _create(
    stage: str,
    methods: tuple[str, ...],
    targets: tuple[str, ...],
    verified: tuple[str, ...] = (),
) -> Pipeline:
    module = import_module(f"vlprompt_pipeline.pipelines.{stage}")
    return module.create_pipeline(methods=methods, targets=targets, verified=verified)
