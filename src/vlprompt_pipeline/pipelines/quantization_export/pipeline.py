"""Quantization and export: one node a method."""

from kedro.pipeline import Node, Pipeline

from vlprompt_pipeline.pipelines.quantization_export.nodes import export_prompt

EXPORTED = ("packed_prompt", "classifier_weights", "full_precision", "sizes")


def create_pipeline(methods: tuple[str, ...] = (), **kwargs) -> Pipeline:
    """Create an export node for each method."""
    return Pipeline(
        [
            Node(
                export_prompt,
                inputs=[f"{method}.prompt", "clip", "dataset_card", "params:export"],
                outputs=[f"{method}.{name}" for name in EXPORTED],
                name=f"export_{method}",
                namespace=method,
                tags=method,
            )
            for method in methods
        ],
        tags="export",
    )
