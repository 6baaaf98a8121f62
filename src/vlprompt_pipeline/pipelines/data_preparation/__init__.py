"""Stage: index and check the images of the dataset."""

from vlprompt_pipeline.pipelines.data_preparation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
