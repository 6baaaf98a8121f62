"""Evenly spaced from the least value to the largest."""

from __future__ import annotations

import numpy as np

from vlprompt_pipeline.parametrizations.registry import Floats, QuantizerKind, Start, register


def min_max(values: Floats, entries: int, start: Start) -> Floats:
    """Space entries evenly over the range; `start` changes nothing."""
    return np.linspace(values.min(), values.max(), entries)


register(QuantizerKind("uniform", "uniform, min-max", min_max))
