"""Promotion: one node, since tests of several methods are corrected together."""

from kedro.pipeline import Node, Pipeline

from vlprompt_pipeline.pipelines.functions import bound
from vlprompt_pipeline.pipelines.promote.nodes import promote_candidates


def create_pipeline(methods: tuple[str, ...] = (), **kwargs) -> Pipeline:
    """Create the one node; it needs the registry alone, no dataset, prompt or CLIP."""
    return Pipeline(
        [
            Node(
                bound(promote_candidates, methods=methods),
                inputs=[
                    "params:dataset_prefix",
                    "params:dataset",
                    "params:registry",
                    "params:tracking",
                    "params:project_folder",
                    "params:given",
                ],
                outputs="promotions",
                name="promote_candidates",
            )
        ]
    )
