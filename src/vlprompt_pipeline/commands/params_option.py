"""The option `--params` as Kedro reads it, with a way out for values that hold a comma."""

from __future__ import annotations

from typing import Any

import click
from kedro.framework.cli.utils import _split_params

_IN_PATHS = ("dataset_root", "data_root", "clip.source")
"""Keys of globals.yml whose values may hold a comma."""


def split_params(context: click.Context, option: click.Parameter, value: Any) -> dict[str, Any]:
    """Read `key=value,key=value`.

    Raises:
        UsageError: an item without `=`, as what follows the comma of a folder's name is.
    """
    try:
        return _split_params(context, option, value)
    except click.UsageError as error:
        key = _key_before_a_rest(value)
        if not key:
            raise
        file = "globals.yml" if key in _IN_PATHS else "parameters.yml"
        raise click.UsageError(
            f"{error.message} A comma ends a value here: set {key} in conf/local/{file}, or in the "
            "folder of conf that --env names.",
            context,
        ) from None


def _key_before_a_rest(value: str) -> str:
    """Return the key whose value a comma has cut; empty if the first item has none."""
    items = [item.partition("=") for item in value.split(",")]
    rest = next((place for place, item in enumerate(items) if not item[1]), 0)
    return items[rest - 1][0].strip() if rest else ""
