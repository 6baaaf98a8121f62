"""Which classes are trained on, which are held out, and among which an image is classified."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vlprompt_pipeline.evaluation.metrics import harmonic_mean
from vlprompt_pipeline.image_datasets import PUBLISHED_BASE_SHARE, ClassSubset, split_classes

GENERALISED = "generalised_"
"""Before the name of a half whose images are classified among the classes of both."""


def protocol_subsets(
    protocol: str, class_names: Sequence[str], base_share: float
) -> dict[str, ClassSubset]:
    """Halves by name: `base` and `new`, or in every other protocol all classes as `base`.

    Prompts are trained on the base half. Papers score each half among its own classes only.

    Raises:
        DataError: too few classes for two halves.
    """
    if protocol != "base_to_new":
        return {"base": ClassSubset(tuple(range(len(class_names))), tuple(class_names))}
    split = split_classes(class_names, base_share)
    return {"base": split.base, "new": split.new}


def protocol_name(protocol: str, base_share: float) -> str:
    """The protocol's name in paths and results: other halves than the published are another one.

    So nothing is overwritten, reused, averaged or set beside published figures by mistake.
    """
    if protocol != "base_to_new" or base_share == PUBLISHED_BASE_SHARE:
        return protocol
    return f"{protocol}_share_{base_share}"


@dataclass(frozen=True)
class Choice:
    """Classes to choose among, and the test images that are classified so.

    Attributes:
        classes: what can be answered.
        halves: names of the sets of images that are scored apart, by label in `classes`; a class
            belongs to one of them.
    """

    classes: ClassSubset
    halves: tuple[str, ...]


def choices(halves: Mapping[str, ClassSubset], *, bound: bool) -> list[Choice]:
    """Each half among its own classes; then, beyond the literature, both among the classes of both.

    That is what a user meets, who does not know beforehand which half an image belongs to
    (generalised zero-shot learning, Xian et al., CVPR 2017). The last choice has the classes of
    all. What is `bound` to the classes of training is scored on these alone.
    """
    own = {name: half for name, half in halves.items() if name == "base" or not bound}
    found = [Choice(half, (name,) * len(half.labels)) for name, half in own.items()]
    if {"base", "new"} <= set(own):
        found.append(_generalised(own["base"], own["new"]))
    return found


def _generalised(base: ClassSubset, new: ClassSubset) -> Choice:
    """Both halves, in label order of the whole dataset."""
    known = {
        label: (name, f"{GENERALISED}{half}")
        for half, classes in (("base", base), ("new", new))
        for label, name in zip(classes.labels, classes.class_names, strict=True)
    }
    names, halves = zip(*(known[label] for label in sorted(known)), strict=True)
    return Choice(ClassSubset(tuple(sorted(known)), names), halves)


def by_protocol(scores: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """Scores of each half as they are stored: with H, and those among all classes apart.

    For instance `{"base": …, "new": …, "harmonic_mean": …, "generalised": {"base": …, …}}`.
    """
    apart = {k.removeprefix(GENERALISED): v for k, v in scores.items() if k.startswith(GENERALISED)}
    own = {half: score for half, score in scores.items() if not half.startswith(GENERALISED)}
    return _with_h(own) | ({"generalised": _with_h(apart)} if apart else {})


def _with_h(scores: Mapping[str, Any]) -> dict[str, Any]:
    if "new" not in scores:
        return dict(scores)
    h = harmonic_mean(scores["base"]["accuracy"], scores["new"]["accuracy"])
    return {**scores, "harmonic_mean": h}
