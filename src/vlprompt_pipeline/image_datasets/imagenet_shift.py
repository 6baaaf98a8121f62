"""What the shifted variants of ImageNet have in common: its classes, and images for testing only.

<folder>/<images>/<class>/<file>
<folder>/classnames.txt
"""

from __future__ import annotations

from typing import Any

from vlprompt_pipeline.image_datasets.class_folders import CLASS_NAME_FILE
from vlprompt_pipeline.image_datasets.download_recipe import bundled_download
from vlprompt_pipeline.image_datasets.image_dataset import ImageDataset
from vlprompt_pipeline.image_datasets.lookup import register_dataset
from vlprompt_pipeline.image_datasets.split import PartCounts


def imagenet_shift(*, folder: str, test: int, images: str, **described: Any) -> None:
    """Register a variant of ImageNet.

    Args:
        folder: in the folder of datasets, and in the bundle.
        test: images.
        images: where a person gets them, as the end of a sentence "get them from ...".
        described: the other attributes of `ImageDataset`.
    """
    register_dataset(
        ImageDataset(
            folder=folder,
            template="a photo of a {}.",
            counts=PartCounts(train=0, val=0, test=test),
            licence="MIT",
            source=f"{images} (images) and {CLASS_NAME_FILE} (classnames.txt)",
            shift_of="imagenet",
            download=bundled_download(f"{folder}.zip"),
            **described,
        )
    )
