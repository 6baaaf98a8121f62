"""Download a published dataset; not part of an ordinary run."""

from vlprompt_pipeline.pipelines.data_download.pipeline import create_pipeline

__all__ = ["create_pipeline"]
