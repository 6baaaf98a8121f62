"""What the shifted variants of ImageNet have in common: its classes, and images for testing only.

<folder>/<images>/<class>/<file>
<folder>/classnames.txt
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vlprompt_pipeline.image_datasets.class_folders import CLASS_NAME_FILE, ClassFolders
from vlprompt_pipeline.image_datasets.download_recipe import bundled_download
from vlprompt_pipeline.image_datasets.image_dataset import ImageDataset
from vlprompt_pipeline.image_datasets.lookup import register_dataset
from vlprompt_pipeline.image_datasets.miniatures.form import MiniatureForm
from vlprompt_pipeline.image_datasets.miniatures.imagenet import (
    imagenet_classes_and_read_me,
    write_imagenet_classes,
)
from vlprompt_pipeline.image_datasets.split import PartCounts


def imagenet_shift(
    *,
    folder: str,
    image_prefix: str,
    split: ClassFolders,
    test: int,
    images: str,
    miniature: Sequence[tuple[str, str]],
    **described: Any,
) -> None:
    """Register a variant of ImageNet.

    Args:
        folder: in the folder of datasets, and in the bundle.
        image_prefix: as of `ImageDataset`.
        split: its class folders; a subset of ImageNet's has a README.txt beside them.
        test: images.
        images: where a person gets them, as the end of a sentence "get them from ...".
        miniature: its classes, as of `MiniatureForm`.
        described: the other attributes of `ImageDataset`.
    """
    read_me = imagenet_classes_and_read_me(image_prefix)
    write = read_me if split.subset else write_imagenet_classes
    register_dataset(
        ImageDataset(
            folder=folder,
            image_prefix=image_prefix,
            split=split,
            template="a photo of a {}.",
            counts=PartCounts(train=0, val=0, test=test),
            licence="MIT",
            source=f"{images} (images) and {CLASS_NAME_FILE} (classnames.txt)",
            shift_of="imagenet",
            download=bundled_download(f"{folder}.zip"),
            miniature=MiniatureForm(write, miniature, per_class=PartCounts(train=0, val=0, test=3)),
            **described,
        )
    )
