"""Run a finished cell again and say whether it gives the same."""

from vlprompt_pipeline.pipelines.verify.pipeline import create_pipeline

__all__ = ["create_pipeline"]
