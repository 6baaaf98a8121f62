"""Define the commands of this project beside Kedro's own, and its version of `run`."""

from __future__ import annotations

from typing import Any

import click
from kedro.framework.cli.utils import LazyGroup

_COMMANDS = {
    "run": "vlprompt_pipeline.run_command.run",
    "sweep": "vlprompt_pipeline.sweep_command.sweep",
    "tune": "vlprompt_pipeline.tune_command.tune",
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
    from vlprompt_pipeline.run_command import run

    return run
