"""Candidates become champions, with a test or for a reason."""

from vlprompt_pipeline.pipelines.promote.pipeline import create_pipeline

__all__ = ["create_pipeline"]
