"""Rejection: one node that reads predictions of all seeds; nothing is computed again."""

from kedro.pipeline import Node, Pipeline

from vlprompt_pipeline.pipelines.rejection.nodes import measure_rejection


def create_pipeline(protocol: str, **kwargs) -> Pipeline:
    """Create the one node."""
    return Pipeline(
        [
            Node(
                measure_rejection,
                inputs=[
                    "whole_predictions",
                    "results",
                    "params:recipes",
                    "params:clip.name",
                    "params:dataset_prefix",
                    "params:dataset",
                    "params:shots",
                    "params:protocol",
                    f"params:{protocol}",
                ],
                outputs=["rejection_table", "rejection_text", "rejection_figure"],
                name="measure_rejection",
            )
        ]
    )
