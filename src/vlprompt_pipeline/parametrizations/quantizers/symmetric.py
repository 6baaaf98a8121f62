"""Evenly spaced from -m to m, m the largest magnitude."""

from __future__ import annotations

import numpy as np

from vlprompt_pipeline.parametrizations.registry import Floats, QuantizerKind, Start, register


def symmetric(values: Floats, entries: int, start: Start) -> Floats:
    """Space entries evenly around zero, which is none of them (our choice): 1 bit has two."""
    most = np.abs(values).max()
    return np.linspace(-most, most, entries)


register(QuantizerKind("symmetric", "uniform, symmetric", symmetric))
