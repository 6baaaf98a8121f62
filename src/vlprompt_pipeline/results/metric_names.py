"""What the metrics of a comparison are called for people, and in which direction they are good."""

from __future__ import annotations

from vlprompt_pipeline.wording import readable

_PARTS = {
    "base": "Base",
    "new": "New",
    "h": "H",
    "mean_of_h": "Mean of H’s",
    "accuracy": "Accuracy",
    "generalised_base": "Base among all classes",
    "generalised_new": "New among all classes",
    "generalised_h": "H among all classes",
}
_KINDS = {"top5": "top-5", "macro_f1": "macro-F1", "calibration_error": "calibration error"}


def metric_title(metric: str) -> str:
    """For instance "H", "Base, top-5" or "Macro-F1"; an unknown name as it can be read."""
    if metric in _PARTS:
        return _PARTS[metric]
    for kind, title in _KINDS.items():
        if metric == kind:
            return title[0].upper() + title[1:]
        part = metric.removesuffix(f"_{kind}")
        if part in _PARTS:
            return f"{_PARTS[part]}, {title}"
    return readable(metric).capitalize()


def in_sentence(metric: str) -> str:
    """The title within a sentence: "H", but "base" and "macro-F1"."""
    title = metric_title(metric)
    return title if title.startswith("H") else title[0].lower() + title[1:]


def metric_place(metric: str) -> tuple[int, int, str]:
    """Sorts metrics: accuracies first, then a kind after the other; what is unknown comes last."""
    kind = next((kind for kind in _KINDS if metric.endswith(kind)), "")
    part = metric.removesuffix(kind).rstrip("_")
    parts = ["", *_PARTS]
    return (
        [*_KINDS].index(kind) + 1 if kind else 0,
        parts.index(part) if part in parts else len(parts),
        metric,
    )


def lower_is_better(metric: str) -> bool:
    """Whether the method with the smallest value is the one to look for."""
    return metric.endswith("calibration_error")
