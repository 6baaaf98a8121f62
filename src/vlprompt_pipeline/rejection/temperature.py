"""Temperature scaling (Guo et al., ICML 2017): one number that calibrates probabilities."""

from __future__ import annotations

import numpy as np

_RANGE = (-4.0, 4.0)  # of the logarithm: temperatures of 0.018 to 55
_STEPS = 60  # golden-section steps: the bracket shrinks to 3e-12


def negative_log_likelihood(logits: np.ndarray, labels: np.ndarray, temperature: float) -> float:
    """Return the mean loss in nats of the right labels."""
    scaled = np.asarray(logits, np.float64) / temperature
    scaled = scaled - scaled.max(-1, keepdims=True)
    right = scaled[np.arange(len(labels)), labels]
    return float((np.log(np.exp(scaled).sum(-1)) - right).mean())


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature of the least loss; above 1 where the model is too sure of itself.

    The loss is convex in the inverse temperature, so that it has one minimum. Where all images are
    right the loss falls without end as the temperature falls: then it is the smallest allowed.

    Args:
        logits: `[images, classes]` of images that nothing else was chosen on.
        labels: `[images]` right classes.
    """
    golden = (np.sqrt(5.0) - 1.0) / 2.0
    low, high = _RANGE
    for _ in range(_STEPS):
        left, right = high - golden * (high - low), low + golden * (high - low)
        losses = [negative_log_likelihood(logits, labels, np.exp(at)) for at in (left, right)]
        low, high = (low, right) if losses[0] <= losses[1] else (left, high)
    return float(np.exp((low + high) / 2.0))
