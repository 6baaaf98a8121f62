"""The pipelines by name, for the methods and targets of the current run."""

from __future__ import annotations

from importlib import import_module

from kedro.pipeline import Pipeline

from vlprompt_pipeline.selection import Selection, selected

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
)
"""What is run for itself alone."""


def register_pipelines() -> dict[str, Pipeline]:
    """One pipeline a stage; `cell` is all of them but the report, `__default__` all."""
    selection = selected()
    stages = {stage: _create(stage, selection) for stage in STAGES}
    cell = Pipeline([stages[stage] for stage in STAGES[:-1]])
    return {
        "__default__": Pipeline([cell, stages["reporting"]]),
        "cell": cell,
        **{name: _create(name, selection) for name in APART},
        **stages,
    }


def _create(stage: str, selection: Selection) -> Pipeline:
    module = import_module(f"vlprompt_pipeline.pipelines.{stage}")
    return module.create_pipeline(**selection._asdict())
