"""Promote candidates to champions, by a test or for a stated reason."""

from vlprompt_pipeline.pipelines.promote.pipeline import create_pipeline

__all__ = ["create_pipeline"]
