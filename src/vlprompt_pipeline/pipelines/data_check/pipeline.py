"""Data check: one table over every dataset that has a name here."""

from kedro.pipeline import Node, Pipeline

from vlprompt_pipeline.pipelines.data_check.nodes import check_all_datasets


def create_pipeline(**kwargs) -> Pipeline:
    """Create the one node, which reports wrong datasets and does not fail on them."""
    return Pipeline(
        [
            Node(
                check_all_datasets,
                inputs=[
                    "params:dataset",
                    "params:dataset_prefix",
                    "params:datasets_folder",
                    "params:check_folder",
                    "params:shots",
                    "params:seed",
                    "params:features.workers",
                    "params:data_check",
                ],
                outputs=["data_check", "data_check_text"],
                name="check_all_datasets",
            )
        ]
    )
