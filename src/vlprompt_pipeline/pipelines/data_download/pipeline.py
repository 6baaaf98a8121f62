"""Data download: fetch one dataset."""

from kedro.pipeline import Node, Pipeline

from vlprompt_pipeline.pipelines.data_download.nodes import download_dataset


def create_pipeline(**kwargs) -> Pipeline:
    """Nodes of the stage."""
    return Pipeline(
        [
            Node(
                download_dataset,
                inputs=["params:dataset", "dataset_root"],
                outputs="download_record",
                name="download_dataset",
            ),
        ]
    )
