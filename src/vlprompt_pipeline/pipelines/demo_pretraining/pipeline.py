"""Pre-training: render, train, measure, write."""

from kedro.pipeline import Node, Pipeline

from vlprompt_pipeline.demo.trainer import pretrain
from vlprompt_pipeline.pipelines.demo_pretraining.nodes import (
    measure_zero_shot,
    render_pretraining_pool,
    write_clip,
)


def create_pipeline(**kwargs) -> Pipeline:
    """Create the four nodes."""
    return Pipeline(
        [
            Node(
                render_pretraining_pool,
                inputs="params:demo_pretraining",
                outputs="demo_pool",
                name="render_pretraining_pool",
            ),
            Node(
                pretrain,
                inputs=["demo_pool", "params:demo_pretraining"],
                outputs="demo_clip_trained",
                name="pretrain_clip",
            ),
            Node(
                measure_zero_shot,
                inputs="demo_clip_trained",
                outputs="demo_clip_accuracy",
                name="measure_zero_shot",
            ),
            Node(
                write_clip,
                inputs=[
                    "demo_clip_trained",
                    "demo_clip_accuracy",
                    "params:demo_pretraining",
                    "params:demo_clip_folder",
                ],
                outputs="demo_clip_record",
                name="write_clip",
            ),
        ]
    )
