"""The command `vlprompt`: what is done with models outside of a Kedro project.

One file a command. A command is imported when it is called or listed, and imports what it works
with when it runs, so that `--help` needs neither torch nor MLflow nor Kedro.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import click

from vlprompt_pipeline import __version__
from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.streams import replace_unknown_characters

COMMANDS = [
    each.name.replace("_", "-") for each in iter_modules(__path__) if each.name != "options"
]
"""Names of the commands, in order: each is a function in the module of its name."""


class LazyGroup(click.Group):
    """A group of the commands of `COMMANDS`; what a user can mend ends in a sentence."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Return names of all commands, in order."""
        return COMMANDS

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Import a command, or None if there is none of that name."""
        if name not in COMMANDS:
            return None
        function = name.replace("-", "_")
        return getattr(import_module(f"{__name__}.{function}"), function)

    def invoke(self, context: click.Context) -> object:
        """Run the command; say a `UserError` without its traceback."""
        try:
            return super().invoke(context)
        except UserError as error:
            raise click.ClickException(str(error)) from None


@click.group(cls=LazyGroup, context_settings={"show_default": True})
@click.version_option(__version__, prog_name="vlprompt")
@click.option(
    "--extensions",
    help="Modules that register methods and quantizers of models, joined by +: installed, or in "
    "src/ of the current folder, as of kedro run.",
)
def main(extensions: str | None) -> None:
    """Use trained prompts: look into their files, label images with them.

    Training, evaluation and reports are runs of the Kedro project: kedro run, kedro sweep.
    """
    replace_unknown_characters()
    if extensions:
        from vlprompt_pipeline.run_parameters import import_extensions

        sys.path.append(str(Path("src").absolute()))
        import_extensions(extensions.split("+"))
