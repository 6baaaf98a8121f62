"""What differs between two nested mappings of plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ABSENT = "absent"


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Values that differ, by their keys joined with dots; what one side lacks is `absent`.

    Lists are compared as a whole, and equal tuples are equal to them.
    """
    flat, flat_other = flatten(one), flatten(other)
    return {
        key: (flat.get(key, ABSENT), flat_other.get(key, ABSENT))
        for key in sorted({*flat, *flat_other})
        if not _equal(flat.get(key, ABSENT), flat_other.get(key, ABSENT))
    }


def _equal(one: Any, other: Any) -> bool:
    return one == other or (one != one and other != other)  # noqa: PLR0124  (no number is itself)


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, keys joined by dots, tuples as lists."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = list(value) if isinstance(value, tuple) else value
    return flat
