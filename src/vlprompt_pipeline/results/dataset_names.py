"""In which order the datasets of a family are shown, and what they are called for people."""

from __future__ import annotations

from collections.abc import Iterable

from vlprompt_pipeline.results.results import AVERAGE


def ordered_datasets(datasets: Iterable[str], source: str) -> list[str]:
    """Each once and in the order given, but first the average and then the source."""
    return sorted(
        dict.fromkeys(datasets),
        key=lambda dataset: -2 * (dataset == AVERAGE) - (dataset == source),
    )


def dataset_title(dataset: str, source: str) -> str:
    """For instance "Average of targets", "imagenet (source)" or "dtd"; `source` may be empty."""
    if dataset == AVERAGE:
        return "Average of targets" if source else "Average"
    return f"{dataset} (source)" if dataset == source else dataset
