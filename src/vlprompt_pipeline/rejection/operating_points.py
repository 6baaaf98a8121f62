"""What a rejection can be asked for: an accuracy among the accepted images, and its threshold."""

from __future__ import annotations

from math import inf

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from vlprompt_pipeline.rejection.curves import risk_coverage

FEWEST_ACCEPTED = 10
"""Our choice: accuracy among fewer accepted images says nothing."""


class OperatingPoint(BaseModel):
    """A threshold, and what it does to the calibration images; shares between 0 and 1.

    Attributes:
        accuracy: share of right answers among the accepted images.
        threshold: images that score this or more are accepted.
        accepted: share of the images that are.
        outsiders_refused: share of the outsiders that are not, where there were any.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    accuracy: float = Field(ge=0, le=1)
    threshold: float
    accepted: float = Field(ge=0, le=1)
    outsiders_refused: float | None = None


def operating_points(
    scores: np.ndarray,
    correct: np.ndarray,
    outsiders: np.ndarray | None = None,
    lowest: float = -inf,
) -> tuple[OperatingPoint, ...]:
    """Return every accuracy that a threshold reaches, each with its lowest threshold, ascending.

    The first point of at least a wanted accuracy has the lowest threshold with that accuracy:
    accuracy and threshold rise together. A threshold lies halfway to the best image it refuses.

    Args:
        scores: `[images]` of calibration.
        correct: `[images]`, whether each answer is right.
        outsiders: scores `[outsiders]` of images of no class.
        lowest: no threshold below this one is wanted.
    """
    curve = risk_coverage(scores, correct)
    following = np.append(curve.thresholds[1:], curve.thresholds[-1:])  # the last refuses none
    halfway = (curve.thresholds + following) / 2.0
    # Halfway between neighbouring floats is one of them: never the one that is refused.
    halfway = np.where(halfway > following, halfway, curve.thresholds)
    thresholds = np.maximum(halfway, lowest)
    accepted = np.rint(curve.coverage * len(scores)).astype(int)
    right = accepted - np.rint(curve.risk * accepted).astype(int)
    enough = (accepted >= min(FEWEST_ACCEPTED, len(scores))) & (curve.thresholds >= lowest)
    points: list[OperatingPoint] = []
    for rank in np.flatnonzero(enough)[::-1]:
        accuracy = float(right[rank] / accepted[rank])  # the float nearest to the exact quotient
        if not points or accuracy > points[-1].accuracy:
            threshold = float(thresholds[rank])
            points.append(
                OperatingPoint(
                    accuracy=accuracy,
                    threshold=threshold,
                    accepted=accepted[rank] / len(scores),
                    outsiders_refused=share_refused(outsiders, threshold),
                )
            )
    return tuple(points)


def share_refused(scores: np.ndarray | None, threshold: float) -> float | None:
    """Return the share of scores below a threshold; None where there are none."""
    return None if scores is None else float((scores < threshold).mean())
