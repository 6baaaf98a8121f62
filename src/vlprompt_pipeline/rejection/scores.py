"""How much an image looks like one of the classes: a number of its logits, higher for more.

A kind of rejection is such a score, and whether it gives sets of labels too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

KindName = Literal["max_softmax", "energy", "conformal"]
"""What a kind is called in conf and in files."""


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Return probabilities `[images, classes]` of logits divided by a temperature, in float64."""
    scaled = np.asarray(logits, np.float64) / temperature
    powers = np.exp(scaled - scaled.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def max_softmax(logits: np.ndarray) -> np.ndarray:
    """Return the largest probability of each image (Hendrycks and Gimpel, ICLR 2017)."""
    return softmax(logits).max(-1)


def energy(logits: np.ndarray) -> np.ndarray:
    """Return the negative energy of each image, log Σ exp(logit) (Liu et al., NeurIPS 2020).

    It says nothing of normalised log-probabilities, whose sum is one for every image.
    """
    values = np.asarray(logits, np.float64)
    top = values.max(-1)
    return top + np.log(np.exp(values - top[..., None]).sum(-1))


@dataclass(frozen=True)
class Kind:
    """One way to reject.

    Attributes:
        title: what people call it.
        score: of logits `[images, classes]`, `[images]`.
        sets: whether it gives sets of labels; the score is then the largest probability, and the
            threshold one on probabilities.
        needs_logits: whether normalised log-probabilities are not enough.
    """

    title: str
    score: Callable[[np.ndarray], np.ndarray]
    sets: bool = False
    needs_logits: bool = False


KINDS: dict[KindName, Kind] = {
    "max_softmax": Kind("maximum softmax", max_softmax),
    "energy": Kind("energy", energy, needs_logits=True),
    "conformal": Kind("conformal sets", max_softmax, sets=True),
}
