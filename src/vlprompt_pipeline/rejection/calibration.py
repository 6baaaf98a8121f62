"""Choose the threshold of a rejection on images that chose nothing else.

- `max_softmax`, `energy`: the lowest threshold with the wanted accuracy among the accepted images.
  What it gives on other images varies with how many there were to calibrate on.
- `conformal`: sets of labels that hold the right one with the wanted probability, for images like
  those of calibration, whatever the model is worth (split conformal prediction; score 1 - p of the
  right label, Sadinle et al., JASA 2019). Over calibrations on n images the share covered follows
  Beta(k, n + 1 - k) with k = ceil((n + 1) · coverage).
"""

from __future__ import annotations

from math import ceil, inf
from typing import Literal

import numpy as np
from pydantic import Field

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.parsing import Parameters
from vlprompt_pipeline.rejection.curves import risk_coverage
from vlprompt_pipeline.rejection.rejection import Calibration, Rejection
from vlprompt_pipeline.rejection.scores import KINDS, softmax
from vlprompt_pipeline.rejection.temperature import fit_temperature

FEWEST = 20
"""Our choice: with fewer images a threshold would be chosen by chance."""
_FEWEST_ACCEPTED = 10  # our choice: accuracy among fewer accepted images says nothing


class RejectionParameters(Parameters):
    """How a model says "none of these".

    Attributes:
        kind: of `KINDS`; `none`: it always names a class.
        accuracy: wanted share of right answers among the accepted images (maximum softmax, energy).
        coverage: wanted share of images whose set of labels holds the right one (conformal).
        outsiders_refused: wanted share of outsiders that are refused, where some are given; goes
            before `accuracy`, as the higher of the two thresholds is taken.
        outsiders: a folder of images that belong to no class, or none.
        images: how many images to calibrate on at most, drawn by a seed.
    """

    kind: Literal["none", "max_softmax", "energy", "conformal"]
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
            f"{FEWEST}: add photos, raise own_data.split.val, or go without (rejection.kind=none)"
        )
    kind = KINDS[how.kind]
    scores = kind.score(logits)
    correct = logits.argmax(-1) == labels
    if kind.sets:
        threshold, wanted = _conformal_threshold(logits, labels, how.coverage), how.coverage
    else:
        threshold, wanted = _accurate_threshold(scores, correct, how.accuracy), how.accuracy
    refused = None
    if outsiders is not None and len(outsiders):
        outside = kind.score(outsiders)
        if not kind.sets:  # a higher threshold would break what sets of labels promise
            threshold = max(threshold, _refusing_threshold(outside, how.outsiders_refused))
        refused = float((outside < threshold).mean())
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
            outsiders_refused=refused,
        ),
    )


def _accurate_threshold(scores: np.ndarray, correct: np.ndarray, wanted: float) -> float:
    """Return the lowest threshold with the wanted accuracy, halfway to the next image refused."""
    curve = risk_coverage(scores, correct)
    enough = np.ceil(curve.coverage * len(scores) - 1e-9) >= min(_FEWEST_ACCEPTED, len(scores))
    fits = np.flatnonzero((1.0 - curve.risk >= wanted - 1e-12) & enough)
    if not len(fits):
        best = int(np.argmin(np.where(enough, curve.risk, inf)))
        raise DataError(
            f"no threshold gives {wanted:.0%} right answers among those accepted: of the "
            f"{len(scores)} validation images at best {1 - curve.risk[best]:.0%} are right, where "
            f"{curve.coverage[best]:.0%} are accepted; lower rejection.accuracy, train a better "
            "model, or go without (rejection.kind=none)"
        )
    last = int(fits[-1])
    if last + 1 == len(curve.thresholds):
        return float(curve.thresholds[last])
    return float(curve.thresholds[last] + curve.thresholds[last + 1]) / 2.0


def _refusing_threshold(outside: np.ndarray, wanted: float) -> float:
    """Return the lowest threshold below which at least the wanted share of outsiders scores."""
    place = ceil(wanted * len(outside) - 1e-9) - 1
    return float(np.nextafter(np.sort(outside)[place], inf))


def _conformal_threshold(logits: np.ndarray, labels: np.ndarray, coverage: float) -> float:
    """Return the probability from which a label is in the set; 0, all labels, with few images.

    Probabilities are those of the model as it is, without the temperature, which is chosen on the
    same images: what is promised holds only for a score that does not depend on them.
    """
    right = np.sort(softmax(logits)[np.arange(len(labels)), labels])
    left_out = len(labels) - ceil((len(labels) + 1) * coverage - 1e-9)
    return float(right[left_out]) if left_out >= 0 else 0.0
