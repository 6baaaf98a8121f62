"""How unsure predictions are: entropy and, of a distribution over prompts, its samples."""

from __future__ import annotations

from functools import partial

import pandas as pd

from vlprompt_pipeline.evaluation.metrics.means import accuracy
from vlprompt_pipeline.evaluation.metrics.registry import Metric, register


def entropy(predicted: pd.DataFrame, classes: pd.DataFrame) -> float:
    """Return the mean entropy of the predicted probabilities in nats."""
    return float(predicted["entropy"].mean())


def spread(predicted: pd.DataFrame, classes: pd.DataFrame) -> float | None:
    """Return the mean spread over samples of the predicted class's probability, in percent."""
    return 100.0 * float(predicted["spread"].mean()) if "spread" in predicted else None


def accuracy_of(column: str, predicted: pd.DataFrame, classes: pd.DataFrame) -> float | None:
    """Return accuracy in percent of the predictions in another column, if there is one."""
    if column not in predicted:
        return None
    return accuracy(int((predicted[column] == predicted["label"]).sum()), len(predicted))


_SAMPLED = partial(accuracy_of, "sampled_prediction")
_MEAN = partial(accuracy_of, "mean_prediction")

register(Metric("entropy", "entropy", entropy, "nats", lower_is_better=True, recorded=False))
register(Metric("spread", "spread over samples", spread, lower_is_better=True, recorded=False))
register(Metric("sampled_accuracy", "accuracy of averaged samples", _SAMPLED, recorded=False))
register(Metric("mean_accuracy", "accuracy of the mean prompt", _MEAN, recorded=False))
