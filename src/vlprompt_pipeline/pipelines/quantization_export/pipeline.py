"""Quantization and export: one node a method."""

from kedro.pipeline import Node, Pipeline

from vlprompt_pipeline.export import EXPORT_FORMATS
from vlprompt_pipeline.pipelines.functions import bound
from vlprompt_pipeline.pipelines.namespaces import of_method
from vlprompt_pipeline.pipelines.quantization_export.nodes import export_prompt


def create_pipeline(methods: tuple[str, ...] = (), **kwargs) -> Pipeline:
    """Create an export node for each method."""
    return Pipeline(
        [
            Node(
                bound(export_prompt, method=method),
                inputs=[
                    f"{method}.prompt",
                    "clip",
                    "dataset_card",
                    "params:export",
                    "params:recipes",
                    "few_shot_set",
                ],
                outputs={name: f"{method}.{name}" for name in (*EXPORT_FORMATS, "sizes")},
                name=f"export_{method}",
                namespace=of_method(method),
                tags=method,
            )
            for method in methods
        ],
        tags="export",
    )
