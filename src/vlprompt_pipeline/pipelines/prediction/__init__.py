"""Label a folder of images with a registered model."""

from vlprompt_pipeline.pipelines.prediction.pipeline import create_pipeline

__all__ = ["create_pipeline"]
