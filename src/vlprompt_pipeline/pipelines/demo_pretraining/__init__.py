"""Pre-train the embedded CLIP; not part of an ordinary run."""

from vlprompt_pipeline.pipelines.demo_pretraining.pipeline import create_pipeline

__all__ = ["create_pipeline"]
