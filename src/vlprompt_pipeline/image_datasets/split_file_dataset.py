"""What eight of the published datasets have in common: a split file of CoOp's authors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vlprompt_pipeline.image_datasets.download_recipe import DownloadFile, bundled_download
from vlprompt_pipeline.image_datasets.image_dataset import ImageDataset
from vlprompt_pipeline.image_datasets.lookup import register_dataset
from vlprompt_pipeline.image_datasets.miniatures.form import MiniatureForm, split_file_writer
from vlprompt_pipeline.image_datasets.split_file import SPLIT_FILES, SplitFile

_SPLIT_FILES = (
    "https://raw.githubusercontent.com/linzhiqiu/cross_modal_adaptation/"
    "c7e7e68ae4eeadfab98e7886b2d6c9cf48a7ceb5/splits/"
)


def split_file_dataset(
    *,
    split_file: str,
    images: str,
    bundle: str,
    archive: DownloadFile | None = None,
    miniature: Sequence[tuple[str, str]],
    splits: str = SPLIT_FILES,
    **described: Any,
) -> None:
    """Register a dataset whose split stands in one file.

    Args:
        split_file: its name, in the dataset's folder and among the published ones.
        images: where a person gets the images, as the end of a sentence "get them from ...".
        bundle: the archive of images and split file in the bundle.
        archive: the authors' archive of the images, if a program can get it.
        miniature: its classes, as of `MiniatureForm`.
        splits: where a person gets the split file.
        described: the other attributes of `ImageDataset`.
    """
    published = DownloadFile(url=_SPLIT_FILES + split_file, put=split_file, is_archive=False)
    official = (archive, published) if archive else ()
    register_dataset(
        ImageDataset(
            split=SplitFile(split_file),
            source=f"{images} (images) and {splits} ({split_file})",
            download=bundled_download(bundle, *official),
            miniature=MiniatureForm(split_file_writer(split_file), miniature),
            **described,
        )
    )
