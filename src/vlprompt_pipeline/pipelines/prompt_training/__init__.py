"""Stage prompt training."""

from vlprompt_pipeline.pipelines.prompt_training.pipeline import create_pipeline

__all__ = ["create_pipeline"]
