"""Base and new classes of the base-to-new protocol (CoCoOp, CVPR 2022; CoOp's `subsample_classes`).

Labels in order, the first ceil(n / 2) are the base classes and the rest the new ones; each half is
numbered from 0 again and scored among its own classes only. Few-shot sets are drawn over all
classes first and restricted to the base half afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from vlprompt_pipeline.errors import DataError


@dataclass(frozen=True)
class ClassHalf:
    """Some of a dataset's classes; a class's place here is its label within the half.

    Attributes:
        labels: labels in the whole dataset.
        class_names: their names.
    """

    labels: tuple[int, ...]
    class_names: tuple[str, ...]

    @property
    def relabelling(self) -> dict[int, int]:
        """Label in the whole dataset to label within the half."""
        return {label: place for place, label in enumerate(self.labels)}

    def restrict(self, table: pd.DataFrame) -> pd.DataFrame:
        """Rows of the half's classes, relabelled, in the same order, numbered from 0.

        The table needs a column `label`; whatever else it has stays.
        """
        kept = table[table["label"].isin(self.labels)].reset_index(drop=True)
        return kept.assign(label=kept["label"].map(self.relabelling).astype("int64"))


@dataclass(frozen=True)
class ClassSplit:
    """The two halves of a dataset's classes."""

    base: ClassHalf
    new: ClassHalf


def split_classes(class_names: Sequence[str]) -> ClassSplit:
    """Split classes, given by their names in label order, into base and new.

    Raises:
        DataError: there are fewer than two classes, so one half would be empty.
    """
    names = tuple(class_names)
    if len(names) < 2:
        raise DataError(
            f"base and new classes need at least 2 classes, found {len(names)}; "
            "choose another dataset or the few-shot protocol"
        )
    middle = (len(names) + 1) // 2
    labels = tuple(range(len(names)))
    return ClassSplit(
        base=ClassHalf(labels[:middle], names[:middle]),
        new=ClassHalf(labels[middle:], names[middle:]),
    )
