"""Datasets as tables show them: their order, their titles, and which kinds never mix."""

from __future__ import annotations

from collections.abc import Iterable

from vlprompt_pipeline.image_datasets import is_named_dataset

AVERAGE = "average"
"""The dataset that stands for the mean over the datasets of a family, or over its targets."""
OWN = "own photos"


def marked(dataset: str, random_split: str) -> str:
    """Return the name in tables: "demo_counts", or "my_photos (own random split, seed 1)"."""
    return f"{dataset} ({random_split})" if random_split else dataset


def ordered_datasets(datasets: Iterable[str], source: str) -> list[str]:
    """Return each once and in the order given, but first the average and then the source."""
    return sorted(
        dict.fromkeys(datasets),
        key=lambda dataset: -2 * (dataset == AVERAGE) - (dataset == source),
    )


def dataset_title(dataset: str, source: str) -> str:
    """Write "Average of targets", "imagenet (source)" or "dtd"; `source` may be empty."""
    if dataset == AVERAGE:
        return "Average of targets" if source else "Average"
    return f"{dataset} (source)" if dataset == source else dataset


def dataset_kind(dataset: str) -> str:
    """Return the kind of a dataset; only those of one kind are averaged with each other."""
    if not is_named_dataset(dataset):
        return OWN
    kinds = {"miniature_": "miniatures", "demo_": "demo datasets"}
    return next((k for p, k in kinds.items() if dataset.startswith(p)), "published datasets")
