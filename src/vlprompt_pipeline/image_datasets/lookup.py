"""Datasets by name: each is registered by the file that describes it."""

from __future__ import annotations

from difflib import get_close_matches
from math import inf

from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.image_datasets.image_dataset import ImageDataset
from vlprompt_pipeline.image_datasets.miniatures.writer import MINIATURE_PREFIX, miniature_of
from vlprompt_pipeline.parsing import one_place

IMAGE_DATASETS: dict[str, ImageDataset] = {}
"""Every registered dataset by its name; miniatures are derived from them."""


def register_dataset(dataset: ImageDataset) -> None:
    """Make a dataset known by its name, and its miniature by that name with `miniature_`.

    Raises:
        ValueError: the name is taken, or is that of a miniature, or the template has no place for
            the class name, so that all classes would have one text.
    """
    one_place(dataset.template)
    if dataset.name in IMAGE_DATASETS:
        raise ValueError(f"two datasets are named {dataset.name}; rename one")
    if dataset.name.startswith(MINIATURE_PREFIX):
        raise ValueError(f"{dataset.name}: names of miniatures are derived; drop the prefix")
    IMAGE_DATASETS[dataset.name] = dataset


def list_image_datasets(prefix: str = "") -> tuple[ImageDataset, ...]:
    """List every dataset, or with the prefix `miniature_` every miniature.

    Those of the published tables come first, in the order of their columns.
    """
    ordered = sorted(IMAGE_DATASETS.values(), key=lambda dataset: dataset.column or inf)
    if prefix:
        return tuple(miniature_of(dataset) for dataset in ordered if dataset.miniature)
    return tuple(ordered)


def get_image_dataset(name: str) -> ImageDataset:
    """Look up a dataset or a miniature by its name.

    Raises:
        ConfigError: no dataset has this name; the message lists those that exist.
    """
    if name in IMAGE_DATASETS:
        return IMAGE_DATASETS[name]
    if is_named_dataset(name):
        return miniature_of(IMAGE_DATASETS[name.removeprefix(MINIATURE_PREFIX)])
    raise ConfigError(unknown_dataset(name))


def is_named_dataset(name: str) -> bool:
    """Tell whether a dataset has this name here; else it may be the user's own."""
    original = IMAGE_DATASETS.get(name.removeprefix(MINIATURE_PREFIX))
    return name in IMAGE_DATASETS or (original is not None and original.miniature is not None)


def unknown_dataset(name: str) -> str:
    """Return the sentence for an unknown name, with the nearest name and all that are known."""
    every = (*list_image_datasets(), *list_image_datasets(MINIATURE_PREFIX))
    close = get_close_matches(name.lower(), [dataset.name for dataset in every], n=1)
    return (
        f"dataset {name!r} is unknown"
        + (f"; did you mean {close[0]!r}?" if close else ";")
        + f" known are {', '.join(sorted(IMAGE_DATASETS))}"
    )
