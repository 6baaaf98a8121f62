"""Feature extraction: every image passes through the frozen tower once."""

from kedro.pipeline import Node, Pipeline

from vlprompt_pipeline.clip.dataset_features import extract_test_features
from vlprompt_pipeline.pipelines.feature_extraction.nodes import extract_features_of_seeds


def create_pipeline(*, folders: str = "params:", **kwargs) -> Pipeline:
    """Create the nodes of the stage."""
    inputs = {
        "clip": "clip",
        "table": "image_index",
        "card": "dataset_card",
        "store": f"{folders}feature_store",
        "features": "params:features",
        "few_shot_set": "few_shot_set",
    }
    return Pipeline(
        [
            Node(
                extract_test_features,
                inputs=inputs,
                outputs="test_features",
                name="extract_test_features",
                namespace="features",
            ),
            Node(
                extract_features_of_seeds,
                inputs={
                    **inputs,
                    "seed": "params:seed",
                    "side_by_side": "params:side_by_side",
                    "short_classes": "params:short_classes",
                },
                outputs="few_shot_features",
                name="extract_few_shot_features",
                namespace="features",
            ),
        ],
        tags="features",
    )
