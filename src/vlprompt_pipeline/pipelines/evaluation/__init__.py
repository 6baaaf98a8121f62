"""Stage: score the packed prompts on the test images, and record the results."""

from vlprompt_pipeline.pipelines.evaluation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
