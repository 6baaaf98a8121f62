"""Measure how well the methods of a cell reject what they do not know, over all seeds on disk."""

from vlprompt_pipeline.pipelines.rejection.pipeline import create_pipeline

__all__ = ["create_pipeline"]
