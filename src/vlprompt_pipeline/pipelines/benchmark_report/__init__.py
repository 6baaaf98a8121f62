"""Compare methods on all datasets, over every finished cell."""

from vlprompt_pipeline.pipelines.benchmark_report.pipeline import create_pipeline

__all__ = ["create_pipeline"]
