"""Base and new classes of the base-to-new protocol (CoCoOp, CVPR 2022; CoOp's `subsample_classes`).

Labels in order, the first ceil(n / 2) are the base classes and the rest the new ones; each half is
numbered from 0 again and scored among its own classes only. Few-shot sets are drawn over all
classes first and restricted to the base half afterwards. Another share than one half is our choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import NamedTuple

import pandas as pd

from vlprompt_pipeline.errors import DataError

PUBLISHED_BASE_SHARE = 0.5


@dataclass(frozen=True)
class ClassSubset:
    """Some of a dataset's classes; the place of a class is its label within the subset.

    Attributes:
        labels: labels in the whole dataset.
        class_names: their names.

    Example:
        >>> from vlprompt_pipeline.image_datasets import ClassSubset
        >>> ClassSubset(labels=(2, 5), class_names=("cat", "dog")).relabelling
        {2: 0, 5: 1}
    """

    labels: tuple[int, ...]
    class_names: tuple[str, ...]

    @property
    def relabelling(self) -> dict[int, int]:
        """Label in the whole dataset to label within the subset."""
        return {label: index for index, label in enumerate(self.labels)}

    def restrict(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return rows of the subset's classes, relabelled, in the same order, numbered from 0.

        The table needs a column `label`; its other columns stay as they are.
        """
        kept = table[table["label"].isin(self.labels)].reset_index(drop=True)
        return kept.assign(label=kept["label"].map(self.relabelling).astype("int64"))


ClassSubsets = dict[str, ClassSubset]
"""Subsets by name: `base` and `new` of a dataset, or `target` of one that prompts are scored on."""


class ClassSplit(NamedTuple):
    """The two halves of a dataset's classes."""

    base: ClassSubset
    new: ClassSubset


def split_classes(
    class_names: Sequence[str], base_share: float = PUBLISHED_BASE_SHARE
) -> ClassSplit:
    """Split classes, given by their names in label order, into base and new.

    The first ceil(n · base_share) are base, the share taken as the decimal number it is written as.

    Raises:
        DataError: one half would be empty.
    """
    names = tuple(class_names)
    if len(names) < 2:
        raise DataError(
            f"base and new classes need at least 2 classes, found {len(names)}; "
            "choose another dataset"
        )
    middle = ceil(len(names) * Fraction(str(base_share)))
    if middle == len(names):
        raise DataError(
            f"base_to_new.base_share {base_share} of {len(names)} classes leaves none as new ones; "
            "lower it"
        )
    labels = tuple(range(len(names)))
    base = ClassSubset(labels[:middle], names[:middle])
    return ClassSplit(base, ClassSubset(labels[middle:], names[middle:]))
