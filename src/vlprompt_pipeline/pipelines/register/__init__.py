"""Register trained prompts as versions of models."""

from vlprompt_pipeline.pipelines.register.pipeline import create_pipeline

__all__ = ["create_pipeline"]
