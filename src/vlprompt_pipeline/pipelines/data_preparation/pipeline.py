"""Data preparation: index and check the images of one dataset."""

from typing import NamedTuple

from kedro.pipeline import Node, Pipeline

from vlprompt_pipeline.pipelines.data_preparation.nodes import (
    check_dataset,
    index_images,
    keep_checked,
)
from vlprompt_pipeline.pipelines.functions import bound


class PreparedDataset(NamedTuple):
    """Catalog names of what is prepared of a dataset."""

    raw: str
    card: str
    check: str
    index: str


def create_pipeline(*, folders: str = "params:", **kwargs) -> Pipeline:
    """Create the nodes of the stage."""
    names = PreparedDataset("raw_index", "dataset_card", "image_check", "image_index")
    return Pipeline(preparation_nodes(names, folders, "data"), tags="data")


def preparation_nodes(
    names: PreparedDataset, folders: str, namespace: str, target: str = ""
) -> list[Node]:
    """Create the nodes that prepare the run's dataset, or the target dataset of that name."""
    inputs = {
        "prefix": "params:dataset_prefix",
        "dataset": "params:dataset",
        "dataset_root": "params:datasets_folder",
        "split": "params:split",
        "own_data": "params:own_data",
        "split_folder": f"{folders}split_folder",
        "kept_splits": "params:kept_split_folder",
        "check_folder": f"{folders}check_folder",
        "workers": "params:features.workers",
    }
    index = index_images
    if target:
        index = bound(index_images, dataset=target)
        del inputs["dataset"]
    images = target or "images"
    return [
        Node(
            index,
            inputs=inputs,
            outputs=[names.raw, names.card],
            name=f"index_{images}",
            namespace=namespace,
        ),
        Node(
            check_dataset,
            inputs=[names.raw, names.card, f"{folders}check_folder", "params:features.workers"],
            outputs=names.check,
            name=f"check_{images}",
            namespace=namespace,
        ),
        Node(
            keep_checked,
            inputs=[names.raw, names.check],
            outputs=names.index,
            name=f"keep_checked_{images}",
            namespace=namespace,
        ),
    ]
