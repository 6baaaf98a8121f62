"""Stage: compare the run with the results on disk."""

from vlprompt_pipeline.pipelines.reporting.pipeline import create_pipeline

__all__ = ["create_pipeline"]
