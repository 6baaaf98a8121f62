"""Stage: train each method on the base classes of the few-shot set."""

from vlprompt_pipeline.pipelines.prompt_training.pipeline import create_pipeline

__all__ = ["create_pipeline"]
