"""Predictions of a method that knows something, and their probabilities."""

from __future__ import annotations

import numpy as np
import pandas as pd


def random_predictions(classes: int, images: int, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """A table as `predict` gives it, and probabilities `[images, classes]`.

    Of more than two classes the last has no image.
    """
    draw = np.random.default_rng(seed)
    label = draw.integers(0, max(classes - 1, 2), images)
    logits = draw.normal(size=(images, classes))
    logits[np.arange(images), label] += 1.5
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    ranked = (-probabilities).argsort(1)[:, :5]
    table = pd.DataFrame(
        {
            "label": label,
            "prediction": ranked[:, 0],
            "probability": probabilities.max(1),
            "top": ranked.tolist(),
            "entropy": -(probabilities * np.log(probabilities)).sum(1),
        }
    )
    return table, probabilities
