"""Inputs of nodes that take as many datasets as a run has methods or targets.

Kedro hands a node with a variable number of inputs one flat list. Where there are two datasets for
each method or target, all the first stand before all the second.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def in_two(values: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    """Split a flat list of inputs into its first and its second half."""
    middle = len(values) // 2
    return values[:middle], values[middle:]
