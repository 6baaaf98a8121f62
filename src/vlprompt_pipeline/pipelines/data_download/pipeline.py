"""Data download: fetch one dataset."""

from kedro.pipeline import Node, Pipeline

from vlprompt_pipeline.pipelines.data_download.nodes import download_dataset


def create_pipeline(**kwargs) -> Pipeline:
    """Create the one node."""
    return Pipeline(
        [
            Node(
                download_dataset,
                inputs=["params:dataset", "params:datasets_folder"],
                outputs="download_record",
                name="download_dataset",
            ),
        ]
    )
