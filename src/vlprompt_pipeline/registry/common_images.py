"""The test images that two versions were both scored on, and what each answered there.

Between two versions photos, labels and classes may have been added or corrected. What is compared
is what both saw as test images, so neither was trained on any of it. An image counts with the label
that the challenger knows it by, which is the newer one; where that is of a class that the holder
does not know, the image is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from vlprompt_pipeline.errors import UserError

HALVES = ("base", "new")


@dataclass(frozen=True)
class Contender:
    """A version as one side of a comparison.

    Attributes:
        name: for instance "demo_aerial.coop version 3".
        tags: of the version.
        evidence: the table of `evidence_of`.
    """

    name: str
    tags: Mapping[str, str]
    evidence: pd.DataFrame

    def half(self, half: str) -> pd.DataFrame:
        """Return its evidence on one half; empty for one that it lacks."""
        return self.evidence[self.evidence["half"] == half]


@dataclass(frozen=True)
class CommonImages:
    """The answers of a challenger and a holder to the same images.

    Attributes:
        right: of each half that the challenger has, which answers were right, `[images]` each, the
            challenger's first.
        images: test images of each side in these halves.
        relabelled: how many of the common ones had another label when the holder was scored.
        unknown: how many were left out because the holder does not know their class.
        classes: of each side in these halves.
    """

    right: Mapping[str, tuple[np.ndarray, np.ndarray]]
    images: tuple[int, int]
    relabelled: int
    unknown: int
    classes: tuple[int, int]

    def __str__(self) -> str:
        """Say for instance "on 140 test images that both saw (of 152 and 143; 3 relabelled)"."""
        number = sum(len(right) for right, _ in self.right.values())
        challenger, holder = self.classes
        notes = [
            *([f"{self.relabelled} with a corrected label"] if self.relabelled else []),
            *([f"{self.unknown} of classes new to the other left out"] if self.unknown else []),
            *([f"told apart among {challenger} classes and {holder}"] * (challenger != holder)),
        ]
        if self.images == (number, number) and not notes:
            return f"on the same {number:,} test images"
        of = f"of {self.images[0]:,} and {self.images[1]:,}"
        return f"on {number:,} test images that both saw ({'; '.join([of, *notes])})"


def common_images(challenger: Contender, holder: Contender) -> CommonImages:
    """Find the images that both were scored on, in each half that the challenger has.

    A challenger that is bound to the classes of its training is compared on these alone.

    Raises:
        UserError: there are none.
    """
    halves = [half for half in HALVES if len(challenger.half(half))]
    joined = {half: _join(challenger, holder, half) for half in halves}
    return CommonImages(
        right={
            half: (rows["right"].to_numpy(), rows["right_other"].to_numpy())
            for half, rows in joined.items()
        },
        images=tuple(sum(len(side.half(half)) for half in halves) for side in (challenger, holder)),
        relabelled=sum(int(rows["relabelled"].sum()) for rows in joined.values()),
        unknown=sum(rows.attrs["unknown"] for rows in joined.values()),
        classes=tuple(
            sum(side.half(half)["label"].nunique() for half in halves)
            for side in (challenger, holder)
        ),
    )


def _join(challenger: Contender, holder: Contender, half: str) -> pd.DataFrame:
    """Return a row for each common image: `right`, `right_other`, `relabelled`."""
    same_split = challenger.tags.get("split_sha256") == holder.tags.get("split_sha256")
    key = "image" if same_split else "content"
    holder_rows = _numbered(holder.half(half), key)
    rows = _numbered(challenger.half(half), key).merge(
        holder_rows, on=[key, "copy"], suffixes=("", "_other")
    )
    is_known = rows["truth"].isin(set(holder_rows["truth"]))
    unknown, rows = int((~is_known).sum()), rows[is_known]
    if rows.empty:
        raise UserError(
            f"{challenger.name} cannot be compared with {holder.name}: no {half} test image of one "
            "is a test image of the other; register both from one dataset, or promote by "
            "registry.promote.force"
        )
    rows = rows.assign(
        right_other=rows["answer_other"] == rows["truth"],
        relabelled=rows["truth_other"] != rows["truth"],
    )
    rows.attrs["unknown"] = unknown
    return rows


def _numbered(rows: pd.DataFrame, key: str) -> pd.DataFrame:
    """Give numbers to the copies of an image, which have one key."""
    return rows.assign(copy=rows.groupby(key).cumcount())
