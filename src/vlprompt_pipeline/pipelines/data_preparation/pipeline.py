"""Data preparation: index and check the images of one dataset."""

from kedro.pipeline import Node, Pipeline

from vlprompt_pipeline.pipelines.data_preparation.nodes import (
    check_dataset,
    index_images,
    keep_checked,
)
from vlprompt_pipeline.pipelines.functions import bound


def create_pipeline(*, folders: str = "params:", **kwargs) -> Pipeline:
    """Create the nodes of the stage."""
    return Pipeline(preparation_nodes(folders), tags="data")


def preparation_nodes(folders: str, target: str = "") -> list[Node]:
    """Create the nodes that prepare the run's dataset, or the target dataset of that name."""
    raw, card, check, checked = "raw_index", "dataset_card", "image_check", "image_index"
    index, images, namespace = index_images, "images", "data"
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
    if target:
        parts = ("raw_index", "card", "check", "index")
        raw, card, check, checked = (f"{target}.target_{part}" for part in parts)
        index, images, namespace = bound(index_images, dataset=target), target, f"targets.{target}"
        del inputs["dataset"]
    return [
        Node(
            index,
            inputs=inputs,
            outputs=[raw, card],
            name=f"index_{images}",
            namespace=namespace,
        ),
        Node(
            check_dataset,
            inputs=[raw, card, f"{folders}check_folder", "params:features.workers"],
            outputs=check,
            name=f"check_{images}",
            namespace=namespace,
        ),
        Node(
            keep_checked,
            inputs=[raw, check],
            outputs=checked,
            name=f"keep_checked_{images}",
            namespace=namespace,
        ),
    ]
