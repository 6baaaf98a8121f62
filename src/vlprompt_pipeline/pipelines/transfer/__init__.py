"""Stage: score the prompts on the test images of other datasets."""

from vlprompt_pipeline.pipelines.transfer.pipeline import create_pipeline

__all__ = ["create_pipeline"]
