"""Stage: pack trained prompts into the files that ship."""

from vlprompt_pipeline.pipelines.quantization_export.pipeline import create_pipeline

__all__ = ["create_pipeline"]
