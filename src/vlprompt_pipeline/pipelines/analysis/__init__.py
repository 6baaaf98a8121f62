"""Measure what quantization, noise and low rank do to a prompt."""

from vlprompt_pipeline.pipelines.analysis.pipeline import create_pipeline

__all__ = ["create_pipeline"]
