"""Feature extraction: every image passes through the frozen tower once."""

from kedro.pipeline import Node, Pipeline

from vlprompt_pipeline.clip.dataset_features import (
    extract_test_features,
    extract_training_features,
    extract_validation_features,
)


def create_pipeline(**kwargs) -> Pipeline:
    """Nodes of the stage."""
    return Pipeline(
        [
            Node(
                extract_test_features,
                inputs=["clip", "image_index", "dataset_card", "feature_store", "params:features"],
                outputs="test_features",
                name="extract_test_features",
            ),
            Node(
                extract_training_features,
                inputs=[
                    "clip",
                    "image_index",
                    "dataset_card",
                    "few_shot_set",
                    "feature_store",
                    "params:features",
                    "params:seed",
                ],
                outputs="training_features",
                name="extract_training_features",
            ),
            Node(
                extract_validation_features,
                inputs=[
                    "clip",
                    "image_index",
                    "dataset_card",
                    "few_shot_set",
                    "feature_store",
                    "params:features",
                ],
                outputs="validation_features",
                name="extract_validation_features",
            ),
        ]
    )
