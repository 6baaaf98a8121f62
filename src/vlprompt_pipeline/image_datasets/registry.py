"""The datasets that have a name."""

from __future__ import annotations

from difflib import get_close_matches

from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.image_datasets.image_dataset import ImageDataset
from vlprompt_pipeline.image_datasets.miniatures import MINIATURE_DATASETS
from vlprompt_pipeline.image_datasets.published import PUBLISHED_DATASETS
from vlprompt_pipeline.image_datasets.rendered_datasets import RENDERED_DATASETS

IMAGE_DATASETS: dict[str, ImageDataset] = {
    dataset.name: dataset for dataset in (*PUBLISHED_DATASETS, *RENDERED_DATASETS)
}
MINIATURES: dict[str, ImageDataset] = {
    benchmark.name: benchmark for benchmark in MINIATURE_DATASETS
}


def image_datasets_of(prefix: str) -> tuple[ImageDataset, ...]:
    """Every dataset there is, or with a prefix all miniatures."""
    return tuple((MINIATURES if prefix else IMAGE_DATASETS).values())


def get_image_dataset(name: str) -> ImageDataset:
    """Look up a dataset by its name.

    Raises:
        ConfigError: no dataset has this name; the message lists those that exist.
    """
    if is_named_dataset(name):
        return (IMAGE_DATASETS | MINIATURES)[name]
    raise ConfigError(unknown_dataset(name))


def is_named_dataset(name: str) -> bool:
    """Whether a dataset has this name here; else it may be the user's own."""
    return name in IMAGE_DATASETS or name in MINIATURES


def unknown_dataset(name: str) -> str:
    """The sentence for a name that no dataset has, with the nearest one and all there are."""
    close = get_close_matches(name.lower(), IMAGE_DATASETS | MINIATURES, n=1)
    return (
        f"dataset {name!r} is unknown"
        + (f"; did you mean {close[0]!r}?" if close else ";")
        + f" known are {', '.join(sorted(IMAGE_DATASETS))}"
    )
