"""Store which test images a version predicted correctly, so that it can be compared later.

A small table is stored with every version, so that a promotion needs the registry and no data.
Images are identified by the hash of their paths.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import pandas as pd

from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.evaluation.metrics import accuracy, harmonic_mean
from vlprompt_pipeline.results.statistics import Paired, compare_accuracy, compare_h

HALVES = ("base", "new")
_SAME = ("dataset", "protocol", "split_sha256")  # what two versions must share
_DIGITS = 16


def evidence_of(predictions: pd.DataFrame) -> bytes:
    """Return the Parquet file of an evaluation's predictions: `half`, `image`, `label`, `right`."""
    rows = predictions[predictions["half"].isin(HALVES)]
    table = pd.DataFrame(
        {
            "half": rows["half"],
            "image": [hashlib.sha256(path.encode()).hexdigest()[:_DIGITS] for path in rows["path"]],
            "label": rows["label"],
            "right": rows["prediction"] == rows["label"],
        }
    )
    stream = BytesIO()
    table.sort_values(["half", "image"]).to_parquet(stream, index=False)
    return stream.getvalue()


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

    def right(self, half: str) -> np.ndarray:
        """Return which images were predicted correctly, `[images]`; empty for a half it lacks."""
        return self.evidence.loc[self.evidence["half"] == half, "right"].to_numpy()


@dataclass(frozen=True)
class Contest:
    """Two versions on the same test images.

    Attributes:
        metric: "H" or "accuracy", as percentages of both sides in `scores`.
        scores: of the challenger, then of who holds the place.
        paired: the difference and its test.
    """

    metric: str
    scores: tuple[float, float]
    paired: Paired

    def __str__(self) -> str:
        """Write for instance "H 83.3 against 81.6: +1.7 (95 % interval 0.2 to 3.1), …"."""
        mine, yours = self.scores
        _, low, high, p_value, test = self.paired
        return (
            f"{self.metric} {mine:.1f} against {yours:.1f}: {mine - yours:+.1f} (95 % interval "
            f"{low:+.1f} to {high:+.1f}), p = {p_value:.2g}, {test}"
        )


def difference_in_kind(challenger: Contender, holder: Contender) -> str | None:
    """Say why two versions cannot be compared, or none if they can."""
    for key in _SAME:
        mine, yours = challenger.tags.get(key), holder.tags.get(key)
        if mine != yours:
            return f"{key} is {mine} for {challenger.name} and {yours} for {holder.name}"
    for half in HALVES:
        mine, yours = (
            contender.evidence.loc[contender.evidence["half"] == half, ["image", "label"]]
            for contender in (challenger, holder)
        )
        if not len(mine):  # bound to the classes of training: those alone are compared
            continue
        if not np.array_equal(mine.to_numpy(), yours.to_numpy()):
            return (
                f"{challenger.name} and {holder.name} were scored on different {half} test images"
            )
    return None


def contest(challenger: Contender, holder: Contender) -> Contest:
    """Compare two versions by H where both halves have images, else by accuracy.

    Raises:
        UserError: the two were not scored on the same task and images.
    """
    if reason := difference_in_kind(challenger, holder):
        raise UserError(
            f"{challenger.name} cannot be compared with {holder.name}: {reason}; register both "
            "from the same task, or promote by registry.promote.force"
        )
    (my_base, my_new), (base, new) = (
        [contender.right(half) for half in HALVES] for contender in (challenger, holder)
    )
    if len(my_new):
        scores = (_h(my_base, my_new), _h(base, new))
        return Contest("H", scores, compare_h(my_base, my_new, base, new))
    return Contest(
        "accuracy", (_accuracy(my_base), _accuracy(base)), compare_accuracy(my_base, base)
    )


def _accuracy(right: np.ndarray) -> float:
    return accuracy(int(right.sum()), len(right))


def _h(base: np.ndarray, new: np.ndarray) -> float:
    return harmonic_mean(_accuracy(base), _accuracy(new))
