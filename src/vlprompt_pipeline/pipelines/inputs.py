"""Nodes that take as many datasets as a run has methods or targets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def in_two(values: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    """The two lists of the same length that stand behind each other among a node's inputs."""
    middle = len(values) // 2
    return values[:middle], values[middle:]
