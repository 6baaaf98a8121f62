"""Define the commands of this project beside Kedro's own, and its version of `run`."""

from __future__ import annotations

from typing import Any

import click
from kedro.framework.cli.utils import LazyGroup

from vlprompt_pipeline.streams import replace_unknown_characters

replace_unknown_characters()  # Kedro imports this before any command of a project

_COMMANDS = {
    "run": "vlprompt_pipeline.commands.run.run",
    "sweep": "vlprompt_pipeline.commands.sweep.sweep",
    "tune": "vlprompt_pipeline.commands.tune.tune",
}


@click.group(cls=LazyGroup, lazy_subcommands=_COMMANDS)
def cli() -> None:
    """Commands of vlprompt_pipeline."""


def __getattr__(name: str) -> Any:
    """Return `run`, which Kedro asks for when the package is run outside a project.

    Slow to import.
    """
    if name != "run":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from vlprompt_pipeline.commands.run import run

    return run
