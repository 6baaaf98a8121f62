"""The option `--params` as Kedro reads it, with a way out for values that hold a comma."""

from __future__ import annotations

from typing import Any

import click
from kedro.framework.cli.utils import _split_params


def split_params(context: click.Context, option: click.Parameter, value: Any) -> dict[str, Any]:
    """Read `key=value,key=value`.

    Raises:
        UsageError: an item without `=`, as what follows the comma of a folder's name is.
    """
    try:
        return _split_params(context, option, value)
    except click.UsageError as error:
        raise click.UsageError(
            f"{error.message} A comma ends a value here: set a folder with a comma in its name in "
            "conf/local/globals.yml.",
            context,
        ) from None
