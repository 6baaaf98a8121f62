"""Stage: compute image features with the frozen CLIP."""

from vlprompt_pipeline.pipelines.feature_extraction.pipeline import create_pipeline

__all__ = ["create_pipeline"]
