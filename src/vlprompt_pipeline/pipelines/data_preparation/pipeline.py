"""Data preparation: index and check the images of one dataset."""

from kedro.pipeline import Node, Pipeline

from vlprompt_pipeline.pipelines.data_preparation.nodes import (
    check_dataset,
    index_images,
    keep_checked,
)


def create_pipeline(*, folders: str = "params:", **kwargs) -> Pipeline:
    """Create the nodes of the stage.

    Args:
        folders: what names of folders that nodes fill begin with.
        kwargs: arguments of other stages.
    """
    return Pipeline(
        [
            Node(
                index_images,
                inputs={
                    "prefix": "params:dataset_prefix",
                    "dataset": "params:dataset",
                    "dataset_root": "params:datasets_folder",
                    "split": "params:split",
                    "own_data": "params:own_data",
                    "split_folder": f"{folders}split_folder",
                    "kept_splits": "params:kept_split_folder",
                    "check_folder": f"{folders}check_folder",
                    "workers": "params:features.workers",
                },
                outputs=["raw_index", "dataset_card"],
                name="index_images",
                namespace="data",
            ),
            Node(
                check_dataset,
                inputs=[
                    "raw_index",
                    "dataset_card",
                    f"{folders}check_folder",
                    "params:features.workers",
                ],
                outputs="image_check",
                name="check_images",
                namespace="data",
            ),
            Node(
                keep_checked,
                inputs=["raw_index", "image_check"],
                outputs="image_index",
                name="keep_checked_images",
                namespace="data",
            ),
        ],
        tags="data",
    )
