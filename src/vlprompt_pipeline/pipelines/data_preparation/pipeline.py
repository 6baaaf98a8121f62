"""Data preparation: index and check the images of one dataset."""

from kedro.pipeline import Node, Pipeline

from vlprompt_pipeline.pipelines.data_preparation.nodes import check_dataset, index_images


def create_pipeline(**kwargs) -> Pipeline:
    """Nodes of the stage."""
    return Pipeline(
        [
            Node(
                index_images,
                inputs=[
                    "params:dataset_prefix",
                    "params:dataset",
                    "dataset_root",
                    "params:split",
                    "params:own_data",
                    "split_folder",
                ],
                outputs=["raw_index", "dataset_card"],
                name="index_images",
            ),
            Node(
                check_dataset,
                inputs=["raw_index", "dataset_card", "check_folder", "params:features.workers"],
                outputs=["image_index", "image_check"],
                name="check_images",
            ),
        ]
    )
