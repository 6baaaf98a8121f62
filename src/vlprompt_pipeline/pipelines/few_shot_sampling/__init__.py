"""Stage: draw the training images, and split the classes."""

from vlprompt_pipeline.pipelines.few_shot_sampling.pipeline import create_pipeline

__all__ = ["create_pipeline"]
