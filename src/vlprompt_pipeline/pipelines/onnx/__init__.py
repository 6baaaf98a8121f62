"""Export trained prompts to folders that run without torch."""

from vlprompt_pipeline.pipelines.onnx.pipeline import create_pipeline

__all__ = ["create_pipeline"]
