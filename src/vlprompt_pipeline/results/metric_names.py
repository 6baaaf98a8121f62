"""What the metrics of a comparison are called for people, and in which direction they are good.

A metric of a comparison is an accuracy (`base`, `h`, `accuracy` …), or one of `METRICS` of the same
set of images: `macro_f1`, `base_macro_f1`, `generalised_new_macro_f1`.
"""

from __future__ import annotations

from vlprompt_pipeline.evaluation.metrics import METRICS, Metric
from vlprompt_pipeline.wording import capital, readable

_ACCURACIES = {
    "base": "Base",
    "new": "New",
    "h": "H",
    "mean_of_h": "Mean of H’s",
    "accuracy": "Accuracy",
    "generalised_base": "Base among all classes",
    "generalised_new": "New among all classes",
    "generalised_h": "H among all classes",
}


def metric_title(metric: str) -> str:
    """Write, for instance, "H", "Base, top-5" or "Macro-F1"; an unknown name as it can be read."""
    images, kind = _parts(metric)
    if kind is None:
        return _ACCURACIES.get(metric) or readable(metric).capitalize()
    return f"{_ACCURACIES[images]}, {kind.title}" if images else capital(kind.title)


def in_sentence(metric: str) -> str:
    """Return the title within a sentence: "H", but "base" and "macro-F1"."""
    title = metric_title(metric)
    return title if title.startswith("H") else title[0].lower() + title[1:]


def metric_order(metric: str) -> tuple[int, int, str]:
    """Return a sort key: accuracies first, then kind after kind; what is unknown comes last."""
    images, kind = _parts(metric)
    kinds, accuracies = [None, *METRICS.values()], ["", *_ACCURACIES]
    listed = images in accuracies
    return kinds.index(kind), accuracies.index(images) if listed else len(accuracies), metric


def lower_is_better(metric: str) -> bool:
    """Tell whether a smaller value is better."""
    _, kind = _parts(metric)
    return kind is not None and kind.lower_is_better


def unit(metric: str) -> str:
    """Write, for instance, "%"."""
    _, kind = _parts(metric)
    return kind.unit if kind else "%"


def _parts(metric: str) -> tuple[str, Metric | None]:
    """Return the accuracy's images, and the metric of them; no metric for an accuracy itself."""
    for name, kind in METRICS.items():
        images = metric.removesuffix(name).removesuffix("_")
        if metric.endswith(name) and images in ("", *_ACCURACIES):
            return images, kind
    return metric, None
