"""Promotion: one node, since tests of several methods are corrected together."""

from functools import partial, update_wrapper

from kedro.pipeline import Node, Pipeline

from vlprompt_pipeline.pipelines.promote.nodes import promote_candidates


def create_pipeline(methods: tuple[str, ...] = (), **kwargs) -> Pipeline:
    """Create the one node; it needs the registry alone, no dataset, prompt or CLIP."""
    return Pipeline(
        [
            Node(
                update_wrapper(partial(promote_candidates, methods=methods), promote_candidates),
                inputs=[
                    "params:dataset_prefix",
                    "params:dataset",
                    "params:registry",
                    "params:tracking",
                    "params:project_folder",
                ],
                outputs="promotions",
                name="promote_candidates",
            )
        ]
    )
