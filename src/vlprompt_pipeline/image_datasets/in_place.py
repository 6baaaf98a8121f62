"""Photos in a place such as `s3://bucket/photos`: a dataset is downloaded before it is read."""

from __future__ import annotations

from pathlib import Path

from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.filesystem.places import bring, is_there, url_of
from vlprompt_pipeline.image_datasets.lookup import get_image_dataset, is_named_dataset


def bring_photos(name: str, root: Path, class_names: str | None) -> None:
    """Download a dataset or own photos, if `root` is the local copy of a place.

    An embedded dataset that the place does not have is made at its first use, as in any folder.

    Args:
        name: of the dataset.
        root: the folder of all datasets.
        class_names: file in it with the names of own classes.
    """
    if not url_of(root):
        return
    if is_named_dataset(name):
        bring(get_image_dataset(name).dataset_folder(root))
        return
    bring(root / name)
    if class_names:
        is_there(root / class_names)


def require_folder(root: Path, what: str) -> None:
    """Refuse to work on photos in a place.

    Raises:
        ConfigError: `root` is the local copy of one.
    """
    if url := url_of(root):
        raise ConfigError(
            f"{what} needs photos in a folder, and dataset_root is {url}: set dataset_root to a "
            "folder, and copy it to the place when it is complete (docs/places.md)"
        )
