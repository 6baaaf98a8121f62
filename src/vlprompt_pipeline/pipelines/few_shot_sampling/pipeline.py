"""Few-shot sampling: the training images of one seed, and the class subsets of the protocol."""

from kedro.pipeline import Node, Pipeline

from vlprompt_pipeline.pipelines.few_shot_sampling.nodes import (
    draw_few_shot_set,
    split_into_subsets,
)
from vlprompt_pipeline.pipelines.functions import bound


def create_pipeline(protocol: str, methods: tuple[str, ...] = (), **kwargs) -> Pipeline:
    """Create the nodes of the stage."""
    return Pipeline(
        [
            Node(
                bound(draw_few_shot_set, methods=methods),
                inputs=[
                    "image_index",
                    "dataset_card",
                    "params:shots",
                    "params:seed",
                    "params:short_classes",
                    "params:recipes",
                ],
                outputs="few_shot_set",
                name="draw_few_shot_set",
                namespace="few_shot",
            ),
            Node(
                split_into_subsets,
                inputs=["dataset_card", "params:protocol", f"params:{protocol}"],
                outputs="class_subsets",
                name="split_classes",
                namespace="few_shot",
            ),
        ],
        tags="few_shot",
    )
