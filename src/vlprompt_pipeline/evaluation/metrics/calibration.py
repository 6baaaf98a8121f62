"""Expected calibration error: how far the confidence of a prediction is from being correct."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from vlprompt_pipeline.evaluation.metrics.registry import Metric, register

BINS = 15  # as Guo et al., ICML 2017


def calibration_error(
    confidence: Sequence[float], correct: Sequence[bool], bins: int = BINS
) -> float:
    """Return the expected calibration error in percent.

    Mean |accuracy - confidence| over bins of confidence.

    The bins are equal parts of (0, 1]; each counts by its share of the images (Naeini et al., AAAI
    2015).
    """
    confidence, correct = np.asarray(confidence, float), np.asarray(correct, float)
    bin_numbers = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(bin_numbers, weights=correct - confidence, minlength=bins)
    return 100.0 * float(np.abs(gaps).sum()) / len(confidence)


def _of_predictions(predicted: pd.DataFrame, classes: pd.DataFrame) -> float:
    correct = predicted["prediction"] == predicted["label"]
    return calibration_error(predicted["probability"], correct)


register(Metric("calibration_error", "calibration error", _of_predictions, lower_is_better=True))
