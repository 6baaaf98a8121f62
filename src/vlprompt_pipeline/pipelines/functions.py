"""Functions of nodes with arguments that are known when the pipeline is created."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, update_wrapper
from typing import Any


def bound(function: Callable[..., Any], **arguments: Any) -> Callable[..., Any]:
    """Fix some arguments of a function, which keeps the name that Kedro shows."""
    return update_wrapper(partial(function, **arguments), function)
