"""Draw the few-shot sets of all datasets, as files."""

from vlprompt_pipeline.pipelines.few_shot_sets.pipeline import create_pipeline

__all__ = ["create_pipeline"]
