"""The metrics by name. A metric is one module that ends in `register(Metric(…))`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.evaluation.metrics.means import accuracy
from vlprompt_pipeline.parsing import unknown


@dataclass(frozen=True)
class Metric:
    """One number computed from the predictions of a set of test images.

    Names of columns, titles of tables and charts, and the best value follow from this alone.

    Attributes:
        name: key in `metrics.json`, in records, and in the names of columns.
        title: within a sentence, such as "calibration error".
        compute: of the predictions, one row an image (`predict_among`), and of the scores of their
            classes, one row a class (`outcomes.class_scores`); None where it does not apply.
        unit: "%" or, for instance, "nats".
        lower_is_better: the direction.
        recorded: whether records keep it, so that reports show it and compare it over seeds.
        of_outsiders: whether it is computed of the predictions and of those for images whose
            classes are not among the answers, in place of the scores of classes; it then applies
            only where there are such images, to base classes where others are held out.

    Example:
        >>> from vlprompt_pipeline.evaluation.metrics import Metric
        >>> def coverage(predictions, classes):
        ...     return 100 * float((predictions["probability"] > 0.5).mean())
        >>> Metric("coverage", "share of confident predictions", coverage).unit
        '%'
    """

    name: str
    title: str
    compute: Callable[[pd.DataFrame, pd.DataFrame], float | None]
    unit: str = "%"
    lower_is_better: bool = False
    recorded: bool = True
    of_outsiders: bool = False


_ALWAYS = ("correct", "total", "accuracy")  # what every set of test images has

METRICS: dict[str, Metric] = {}
"""Every registered metric by its name."""


def register(metric: Metric) -> None:
    """Make a metric known by its name, which must be new, and one that a column can have."""
    if metric.name in METRICS or metric.name in _ALWAYS:
        raise ValueError(f"two metrics are named {metric.name}")
    if not metric.name.isidentifier():
        raise ValueError(
            f"a metric is named {metric.name!r}: give it a name of letters, digits and underscores "
            "and say the rest in its title"
        )
    METRICS[metric.name] = metric


def require_metrics(names: Sequence[str]) -> None:
    """Refuse names that no metric has.

    Raises:
        ConfigError: naming the first and those that are allowed.
    """
    for name in names:
        if name not in METRICS:
            raise ConfigError(unknown("metrics", "metric", name, sorted(METRICS)))


def score_of(
    predicted: pd.DataFrame,
    classes: pd.DataFrame,
    names: Sequence[str],
    outsiders: pd.DataFrame | None = None,
) -> dict[str, float]:
    """Compute accuracy and the named metrics of a set of test images.

    Args:
        predicted: what `predict_among` gave for the images.
        classes: the rows of `outcomes.class_scores` for the classes that the images show.
        names: of `METRICS`.
        outsiders: what was predicted for images of other classes, among the same answers.

    Returns:
        `correct`, `total`, `accuracy` in percent, then each metric that applies, by name.

    Raises:
        ConfigError: a metric gives what is no finite number.
    """
    correct, total = int((predicted["prediction"] == predicted["label"]).sum()), len(predicted)
    scores = {"correct": correct, "total": total, "accuracy": accuracy(correct, total)}
    for name in names:
        table = outsiders if METRICS[name].of_outsiders else classes
        value = None if table is None else _number(METRICS[name], predicted, table)
        if value is not None:
            scores[name] = value
    return scores


def _number(metric: Metric, predicted: pd.DataFrame, table: pd.DataFrame) -> float | None:
    """Compute a metric, which may add columns to the tables that it is given.

    Raises:
        ConfigError: it gives what is no finite number.
    """
    value = metric.compute(predicted.copy(deep=False), table.copy(deep=False))
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ConfigError(
            f"metrics: {metric.name} gives {str(value)[:30]!r}: return a finite number, or None "
            "where it does not apply"
        )
    return number
