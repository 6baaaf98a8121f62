"""Among which classes a test image is classified, and what it is then a prediction of."""

from __future__ import annotations

from dataclasses import dataclass

from vlprompt_pipeline.image_datasets import ClassSubset, ClassSubsets

GENERALISED = "generalised_"
"""Before the name of a subset whose images are classified among the classes of all."""


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


def choices(halves: ClassSubsets, *, bound: bool) -> list[Choice]:
    """List each half among its own classes, then, beyond the literature, both among all.

    That is what a user meets, who does not know beforehand which half an image belongs to
    (generalised zero-shot learning, Xian et al., CVPR 2017). The last choice has the classes of
    all. What is `bound` to the classes of training is scored on these alone.
    """
    usable = {name: half for name, half in halves.items() if name == "base" or not bound}
    chosen = [Choice(half, (name,) * len(half.labels)) for name, half in usable.items()]
    if {"base", "new"} <= set(usable):
        chosen.append(_generalised(usable["base"], usable["new"]))
    return chosen


def _generalised(base: ClassSubset, new: ClassSubset) -> Choice:
    """Return both halves, in label order of the whole dataset."""
    by_label = {
        label: (name, f"{GENERALISED}{half}")
        for half, classes in (("base", base), ("new", new))
        for label, name in zip(classes.labels, classes.class_names, strict=True)
    }
    names, halves = zip(*(by_label[label] for label in sorted(by_label)), strict=True)
    return Choice(ClassSubset(tuple(sorted(by_label)), names), halves)
