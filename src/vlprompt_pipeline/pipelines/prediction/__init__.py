"""A registered model and a folder of images."""

from vlprompt_pipeline.pipelines.prediction.pipeline import create_pipeline

__all__ = ["create_pipeline"]
