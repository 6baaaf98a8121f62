"""Report which datasets are on disk, and what is wrong with them."""

from vlprompt_pipeline.pipelines.data_check.pipeline import create_pipeline

__all__ = ["create_pipeline"]
