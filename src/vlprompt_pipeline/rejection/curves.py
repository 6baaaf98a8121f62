"""How well a score tells images of the classes from outsiders, and right answers from wrong ones.

Everywhere a higher score means that an image looks more like one of the classes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


def auroc(insiders: np.ndarray, outsiders: np.ndarray) -> float:
    """Return the area under the ROC curve in percent: how often insiders score above outsiders.

    Equal scores count one half. 50 is chance, 100 perfect.

    Args:
        insiders: scores of images of the classes.
        outsiders: scores of images of none of them.
    """
    inside, outside = np.asarray(insiders, float), np.sort(np.asarray(outsiders, float))
    below = np.searchsorted(outside, inside, "left")
    not_above = np.searchsorted(outside, inside, "right")
    return 100.0 * float((below + not_above).sum()) / (2.0 * len(inside) * len(outside))


def false_positive_rate(
    insiders: np.ndarray, outsiders: np.ndarray, accepted: float = 0.95
) -> float:
    """Return the share of outsiders, in percent, taken in where `accepted` of the insiders are.

    The threshold is the highest that takes in at least this share of the insiders: FPR95.
    """
    inside = np.asarray(insiders, float)
    rank = len(inside) - int(np.ceil(accepted * len(inside)))
    threshold = np.partition(inside, rank)[rank]
    return 100.0 * float((np.asarray(outsiders, float) >= threshold).mean())


class RiskCoverage(NamedTuple):
    """What a threshold at each score costs, from the highest score to the lowest.

    Attributes:
        thresholds: different scores, descending.
        coverage: share of images that score this much or more.
        risk: share of wrong answers among these.
    """

    thresholds: np.ndarray
    coverage: np.ndarray
    risk: np.ndarray


def risk_coverage(scores: np.ndarray, correct: np.ndarray) -> RiskCoverage:
    """Return risk against coverage (El-Yaniv and Wiener, JMLR 2010); equal scores go together.

    Args:
        scores: `[images]`.
        correct: `[images]`, whether each answer is right.
    """
    scores = np.asarray(scores, float)
    order = np.argsort(-scores, kind="stable")
    ranked, wrong = scores[order], np.cumsum(~np.asarray(correct, bool)[order])
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    return RiskCoverage(ranked[last], (last + 1) / len(ranked), wrong[last] / (last + 1))
