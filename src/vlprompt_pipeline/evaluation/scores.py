"""Scores of each subset of the classes in the form that is stored, with their harmonic mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlprompt_pipeline.evaluation.metrics import harmonic_mean
from vlprompt_pipeline.protocols.choices import GENERALISED


def nested_scores(scores: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """Return scores of each half as they are stored: with H, and those among all classes apart.

    For instance `{"base": …, "new": …, "harmonic_mean": …, "generalised": {"base": …, …}}`.
    """
    among_own, among_all = {}, {}
    for half, score in scores.items():
        among = among_all if half.startswith(GENERALISED) else among_own
        among[half.removeprefix(GENERALISED)] = score
    return _with_h(among_own) | ({"generalised": _with_h(among_all)} if among_all else {})


def _with_h(scores: Mapping[str, Any]) -> dict[str, Any]:
    if "new" not in scores:
        return dict(scores)
    h = harmonic_mean(scores["base"]["accuracy"], scores["new"]["accuracy"])
    return {**scores, "harmonic_mean": h}
