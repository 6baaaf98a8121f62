"""Store which test images a version predicted correctly, and compare two versions by it.

A small table is stored with every version, so that a promotion needs the registry and no data.
Images are identified by the hashes of their paths and of their contents.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import pandas as pd

from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.evaluation.metrics import accuracy, harmonic_mean
from vlprompt_pipeline.registry.common_images import (
    HALVES,
    CommonImages,
    Contender,
    common_images,
)
from vlprompt_pipeline.results.bootstrap import Paired
from vlprompt_pipeline.results.statistics import compare_accuracy, compare_h

_DIGITS = 16
_BY_CONTENT = "sha256:"  # how the fingerprint of an image begins that is known by its content


def evidence_of(
    predictions: pd.DataFrame,
    class_names: Mapping[str, Sequence[str]],
    fingerprints: Mapping[str, str],
) -> bytes:
    """Return the Parquet file of what an evaluation answered.

    Its columns are `half`, `image` (hash of the path), `content` (hash of the file, or of the path
    where the set is too large to be known by content), `label` (its number in the half), `truth`
    and `answer` (class names), and `right`.

    Args:
        predictions: of the evaluation.
        class_names: of each half.
        fingerprints: of the images, by path.
    """
    rows = predictions[predictions["half"].isin(HALVES)]
    by_path = [_hash(path) for path in rows["path"]]
    halves = rows["half"].tolist()

    def named(labels: pd.Series) -> list[str]:
        return [class_names[half][label] for half, label in zip(halves, labels, strict=True)]

    table = pd.DataFrame(
        {
            "half": halves,
            "image": by_path,
            "content": [
                _content(fingerprints.get(path, ""), otherwise)
                for path, otherwise in zip(rows["path"], by_path, strict=True)
            ],
            "label": rows["label"].to_numpy(),
            "truth": named(rows["label"]),
            "answer": named(rows["prediction"]),
            "right": (rows["prediction"] == rows["label"]).to_numpy(),
        }
    )
    stream = BytesIO()
    table.sort_values(["half", "image"]).to_parquet(stream, index=False)
    return stream.getvalue()


@dataclass(frozen=True)
class Contest:
    """Two versions on the same test images.

    Attributes:
        metric: "H" or "accuracy", as percentages of both sides in `scores`.
        scores: of the challenger, then of who holds the place.
        paired: the difference and its test.
        seen: the images.
    """

    metric: str
    scores: tuple[float, float]
    paired: Paired
    seen: CommonImages

    def __str__(self) -> str:
        """Write for instance "H 83.3 against 81.6: +1.7 (95 % interval 0.2 to 3.1), …"."""
        challenger, holder = self.scores
        _, low, high, p_value, test = self.paired
        return (
            f"{self.metric} {challenger:.1f} against {holder:.1f}: "
            f"{challenger - holder:+.1f} (95 % interval {low:+.1f} to {high:+.1f}), "
            f"p = {p_value:.2g}, {test}, {self.seen}"
        )


def contest(challenger: Contender, holder: Contender) -> Contest:
    """Compare two versions by H where both halves have images, else by accuracy.

    Raises:
        UserError: the two were not scored on the same task, or have no test image in common.
    """
    for key in ("dataset", "protocol"):
        first, second = challenger.tags.get(key), holder.tags.get(key)
        if first != second:
            raise UserError(
                f"{challenger.name} cannot be compared with {holder.name}: {key} is {first} for "
                f"{challenger.name} and {second} for {holder.name}; register both from the same "
                "task, or promote by registry.promote.force"
            )
    seen = common_images(challenger, holder)
    base = seen.right["base"]
    if "new" in seen.right:
        new = seen.right["new"]
        scores = (_h(base[0], new[0]), _h(base[1], new[1]))
        return Contest("H", scores, compare_h(base[0], new[0], base[1], new[1]), seen)
    scores = (_accuracy(base[0]), _accuracy(base[1]))
    return Contest("accuracy", scores, compare_accuracy(*base), seen)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def _content(fingerprint: str, otherwise: str) -> str:
    if not fingerprint.startswith(_BY_CONTENT):
        return otherwise
    return fingerprint.removeprefix(_BY_CONTENT)[:_DIGITS]


def _accuracy(right: np.ndarray) -> float:
    return accuracy(int(right.sum()), len(right))


def _h(base: np.ndarray, new: np.ndarray) -> float:
    return harmonic_mean(_accuracy(base), _accuracy(new))
