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
    apart = {k.removeprefix(GENERALISED): v for k, v in scores.items() if k.startswith(GENERALISED)}
    among_subset = {
        half: score for half, score in scores.items() if not half.startswith(GENERALISED)
    }
    return _with_h(among_subset) | ({"generalised": _with_h(apart)} if apart else {})


def _with_h(scores: Mapping[str, Any]) -> dict[str, Any]:
    if "new" not in scores:
        return dict(scores)
    h = harmonic_mean(scores["base"]["accuracy"], scores["new"]["accuracy"])
    return {**scores, "harmonic_mean": h}
