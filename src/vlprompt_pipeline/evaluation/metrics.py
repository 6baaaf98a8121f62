"""Accuracy, F1, calibration, the harmonic mean H in both conventions, and the spread over seeds.

Accuracies and H are in percent everywhere in this package.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

CALIBRATION_BINS = 15  # as Guo et al., ICML 2017


def accuracy(correct: int, total: int) -> float:
    """Share of right answers in percent: `100 * correct / total`."""
    return 100.0 * correct / total


def score_of(predicted: pd.DataFrame, classes: pd.DataFrame) -> dict[str, float]:
    """What is said of a set of test images: percent, but for the mean entropy, which is in nats.

    An answer is among the top 5 whatever it is if there are no more than 5 classes: 100.
    `macro_f1` is the mean F1 of the classes that have test images, as Dassl's evaluator takes it:
    a class without any would count as 0, whatever the prompt. Where prompts are a distribution,
    there is also the accuracy of the averaged samples and of the mean prompt, and the mean spread
    over samples.

    Args:
        predicted: what `predict` gave for the images.
        classes: the rows of `outcomes.class_scores` for the classes that the images show.
    """
    right = predicted["prediction"] == predicted["label"]
    correct, total = int(right.sum()), len(predicted)
    scores = {
        "correct": correct,
        "total": total,
        "accuracy": accuracy(correct, total),
        "top5_accuracy": accuracy(_among_top(predicted), total),
        "macro_f1": float(classes["f1"].mean()),
        "calibration_error": calibration_error(predicted["probability"], right),
        "entropy": float(predicted["entropy"].mean()),
    }
    if "spread" in predicted:
        scores["spread"] = 100.0 * float(predicted["spread"].mean())
        for way in ("sampled", "mean"):
            also_right = int((predicted[f"{way}_prediction"] == predicted["label"]).sum())
            scores[f"{way}_accuracy"] = accuracy(also_right, total)
    return scores


def _among_top(predicted: pd.DataFrame) -> int:
    return sum(
        label in top for label, top in zip(predicted["label"], predicted["top"], strict=True)
    )


def calibration_error(
    confidence: Sequence[float], correct: Sequence[bool], bins: int = CALIBRATION_BINS
) -> float:
    """Expected calibration error in percent: mean |accuracy - confidence| over bins of confidence.

    The bins are equal parts of (0, 1]; each counts by its share of the images (Naeini et al., AAAI
    2015).
    """
    confidence, correct = np.asarray(confidence, float), np.asarray(correct, float)
    own = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(own, weights=correct - confidence, minlength=bins)
    return 100.0 * float(np.abs(gaps).sum()) / len(confidence)


def harmonic_mean(base: float, new: float) -> float:
    """H = 2·B·N / (B + N) of base and new accuracy (Xian et al., CVPR 2017); 0 when both are 0."""
    if base + new == 0:
        return 0.0
    return 2.0 * base * new / (base + new)


def h_of_averages(base: Sequence[float], new: Sequence[float]) -> float:
    """H of the mean base and the mean new accuracy: the convention of the published tables.

    The base-to-new tables of CoCoOp and its successors average B and N over seeds, and over the 11
    datasets, before they take H: 69.34 / 74.22 gives 71.70 for CLIP.
    """
    return harmonic_mean(float(np.mean(base)), float(np.mean(new)))


def mean_of_h(base: Sequence[float], new: Sequence[float]) -> float:
    """Mean of the H of each pair: the other convention, never above `h_of_averages`."""
    return float(np.mean([harmonic_mean(b, n) for b, n in zip(base, new, strict=True)]))


def mean_and_std(values: Sequence[float]) -> tuple[float, float]:
    """Mean and population standard deviation (`ddof=0`, as the literature reports over seeds)."""
    return float(np.mean(values)), float(np.std(values))
