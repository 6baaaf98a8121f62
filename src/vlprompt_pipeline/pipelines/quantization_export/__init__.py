"""Stage quantization export."""

from vlprompt_pipeline.pipelines.quantization_export.pipeline import create_pipeline

__all__ = ["create_pipeline"]
