"""Metrics of one set of test images, and the means that are taken of them.

Importing the package imports all modules in it, and a metric's module registers the metric.
Accuracies and H are in percent everywhere in this project.
"""

from importlib import import_module
from pkgutil import iter_modules

from vlprompt_pipeline.evaluation.metrics.means import accuracy, harmonic_mean
from vlprompt_pipeline.evaluation.metrics.registry import (
    METRICS,
    Metric,
    register,
    require_metrics,
    score_of,
)

__all__ = [
    "METRICS",
    "Metric",
    "accuracy",
    "harmonic_mean",
    "register",
    "require_metrics",
    "score_of",
]

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
