"""Choose the threshold of a rejection on images that chose nothing else.

- `max_softmax`, `energy`: the lowest threshold with the wanted accuracy among the accepted images.
  What it gives on other images varies with how many there were to calibrate on.
- `conformal`: sets of labels that hold the right one with the wanted probability, for images like
  those of calibration, whatever the model is worth (split conformal prediction; score 1 - p of the
  right label, Sadinle et al., JASA 2019). Over calibrations on n images the share covered follows
  Beta(k, n + 1 - k) with k = ceil((n + 1) · coverage).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, inf
from typing import Literal

import numpy as np
from pydantic import Field

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.parsing import Parameters
from vlprompt_pipeline.rejection.operating_points import (
    OperatingPoint,
    operating_points,
    share_refused,
)
from vlprompt_pipeline.rejection.rejection import Calibration, Rejection
from vlprompt_pipeline.rejection.scores import KINDS, KindName, softmax
from vlprompt_pipeline.rejection.temperature import fit_temperature

FEWEST = 20
"""Our choice: with fewer images a threshold would be chosen by chance."""


class RejectionParameters(Parameters):
    """How a model says "none of these".

    Attributes:
        kind: of `KINDS`; `none`: it always names a class.
        accuracy: wanted share of right answers among the accepted images (maximum softmax, energy).
        coverage: wanted share of images whose set of labels holds the right one (conformal).
        outsiders_refused: wanted share of outsiders that are refused, where some are given: no
            lower threshold than the one that does it is taken.
        outsiders: a folder of images that belong to no class, or none.
        images: how many images to calibrate on at most, drawn by a seed.
    """

    kind: Literal["none", KindName]
    accuracy: float = Field(gt=0, le=1)
    coverage: float = Field(gt=0, lt=1)
    outsiders_refused: float = Field(gt=0, lt=1)
    outsiders: str | None = None
    images: int = Field(ge=FEWEST)


def calibrate(
    how: RejectionParameters,
    logits: np.ndarray,
    labels: np.ndarray,
    outsiders: np.ndarray | None = None,
) -> Rejection:
    """Choose a threshold, and the temperature that makes scores probabilities.

    Args:
        how: `kind` is not `none`.
        logits: `[images, classes]` of images that nothing else was chosen on; log-probabilities
            where there are no logits, except for energy.
        labels: `[images]` right classes.
        outsiders: logits `[outsiders, classes]` of images of no class.

    Raises:
        DataError: there are too few images, or no threshold does what is wanted.
    """
    logits, labels = np.asarray(logits, np.float64), np.asarray(labels)
    if len(labels) < FEWEST:
        raise DataError(
            f"{len(labels)} validation images are left to calibrate a rejection on, and it takes "
            f"{FEWEST}: add photos, raise own_data.split.val, or go without "
            "(registry.rejection.kind=none)"
        )
    kind = KINDS[how.kind]
    scores = kind.score(logits)
    correct = logits.argmax(-1) == labels
    outside = None if outsiders is None else kind.score(outsiders)
    points: tuple[OperatingPoint, ...] = ()
    if kind.sets:  # outsiders would raise the threshold, and break what sets of labels promise
        threshold, wanted = _conformal_threshold(logits, labels, how.coverage), how.coverage
    else:
        wanted = how.accuracy
        lowest = -inf if outside is None else _refusing_threshold(outside, how.outsiders_refused)
        points = operating_points(scores, correct, outside, lowest)
        _require_reached(points, how, len(scores), outside is not None)
        threshold = next(point.threshold for point in points if point.accuracy >= wanted)
    accepted = scores >= threshold
    return Rejection(
        kind=how.kind,
        threshold=threshold,
        temperature=fit_temperature(logits, labels),
        calibration=Calibration(
            images=len(labels),
            wanted=wanted,
            accepted=float(accepted.mean()),
            accuracy=float(correct[accepted].mean()) if accepted.any() else None,
            accuracy_of_all=float(correct.mean()),
            outsiders=0 if outsiders is None else len(outsiders),
            outsiders_refused=share_refused(outside, threshold),
        ),
        operating_points=points,
    )


def _require_reached(
    points: Sequence[OperatingPoint], how: RejectionParameters, images: int, with_outsiders: bool
) -> None:
    """Refuse an accuracy that no threshold has, or none that refuses enough outsiders."""
    if points and points[-1].accuracy >= how.accuracy:
        return
    which, lower = "threshold", "registry.rejection.accuracy"
    if with_outsiders:
        which += f" that refuses {_percent(how.outsiders_refused)} of the outsiders"
        lower += " or registry.rejection.outsiders_refused"
    reached = f"of the {images} validation images too few are accepted to tell"
    if points:
        reached = (
            f"of the {images} validation images at best {_percent(points[-1].accuracy)} are "
            f"right, where {points[-1].accepted:.0%} are accepted"
        )
    raise DataError(
        f"no {which} gives {_percent(how.accuracy)} right answers among those accepted: {reached}; "
        f"lower {lower}, train a better model, or go without (registry.rejection.kind=none)"
    )


def _percent(share: float) -> str:
    """Write 0.999 as "99.9%": shares that are compared must not look alike."""
    return f"{100 * share:.4g}%"


def _refusing_threshold(outside: np.ndarray, wanted: float) -> float:
    """Return the lowest threshold below which at least the wanted share of outsiders scores."""
    refused = ceil(wanted * len(outside) - 1e-9)
    return float(np.nextafter(np.sort(outside)[refused - 1], inf))


def _conformal_threshold(logits: np.ndarray, labels: np.ndarray, coverage: float) -> float:
    """Return the probability from which a label is in the set; 0, all labels, with few images.

    Probabilities are those of the model as it is, without the temperature, which is chosen on the
    same images: what is promised holds only for a score that does not depend on them.
    """
    right = np.sort(softmax(logits)[np.arange(len(labels)), labels])
    left_out = len(labels) - ceil((len(labels) + 1) * coverage - 1e-9)
    return float(right[left_out]) if left_out >= 0 else 0.0
