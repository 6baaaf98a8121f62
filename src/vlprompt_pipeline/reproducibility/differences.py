"""Compare two nested mappings of plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ABSENT = "absent"


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return the values that differ, by their keys joined with dots; missing ones are `absent`.

    Lists are compared as a whole, and equal tuples are equal to them.
    """
    flat, flat_now = flatten(then), flatten(now)
    return {
        key: (flat.get(key, ABSENT), flat_now.get(key, ABSENT))
        for key in sorted({*flat, *flat_now})
        if not _equal(flat.get(key, ABSENT), flat_now.get(key, ABSENT))
    }


def _equal(then: Any, now: Any) -> bool:
    # A NaN is not equal to itself, but it is no difference here.
    return then == now or (then != then and now != now)  # noqa: PLR0124


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested mappings into one, keys joined by dots, tuples as lists."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = list(value) if isinstance(value, tuple) else value
    return flat
