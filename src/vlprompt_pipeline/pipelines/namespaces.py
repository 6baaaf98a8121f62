"""Namespaces of the nodes of methods: Kedro-Viz shows one box, in which each method has its own."""

from __future__ import annotations

METHODS = "methods"
REGISTRATION = "registration"
"""Not a part of `METHODS`, since its first node waits for all methods and belongs to none."""


def of_method(method: str, target: str = "") -> str:
    """Return the namespace of a method's nodes, or of those that score it on a target dataset."""
    return f"{METHODS}.{method}.{target}" if target else f"{METHODS}.{method}"


def method_of(namespace: str | None) -> str:
    """Return the method that a node of this namespace works for; empty for none."""
    first, _, rest = (namespace or "").partition(".")
    return rest.partition(".")[0] if first in (METHODS, REGISTRATION) else ""
