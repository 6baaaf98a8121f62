"""Prediction: a registered model labels a folder of images."""

from kedro.pipeline import Node, Pipeline

from vlprompt_pipeline.pipelines.prediction.nodes import label_images


def create_pipeline(**kwargs) -> Pipeline:
    """Create the one node; class names and template come with the model."""
    return Pipeline(
        [
            Node(
                label_images,
                inputs=["params:prediction", "params:tracking", "params:project_folder"],
                outputs="predicted_labels",
                name="label_images",
            )
        ]
    )
