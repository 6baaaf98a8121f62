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
    "verify",
    "register",
    "promote",
    "prediction",
    "rejection",
    "onnx",
)
"""What is run for itself alone."""


def register_pipelines() -> dict[str, Pipeline]:
    """Make one pipeline a stage; `cell` is all of them but the report, `__default__` all.

    A protocol's pipeline is the whole with its section of the parameters and its targets.
    """
    selection = selected()
    stages = {name: _create(name, selection, selection.protocol) for name in STAGES}
    protocols = {
        protocol: Pipeline([_create(name, selection, protocol) for name in STAGES])
        for protocol in selection.targets
    }
    return {
        "__default__": protocols[selection.protocol],
        **protocols,
        "cell": Pipeline([stages[name] for name in STAGES[:-1]]),
        **{name: _create(name, selection, selection.protocol) for name in APART},
        **stages,
    }


def _create(stage: str, selection: Selection, protocol: str) -> Pipeline:
    module = import_module(f"vlprompt_pipeline.pipelines.{stage}")
    return module.create_pipeline(
        protocol=protocol,
        methods=selection.methods,
        targets=selection.targets[protocol],
        verified=selection.verified,
    )
