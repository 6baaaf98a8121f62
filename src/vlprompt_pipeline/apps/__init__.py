"""The command `vlprompt`: what is done with models outside of a Kedro project.

One file a command. A command is imported when it is called or listed, and imports what it works
with when it runs, so that `--help` needs neither torch nor MLflow nor Kedro.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import click

from vlprompt_pipeline import __version__
from vlprompt_pipeline.errors import UserError

COMMANDS = {
    "backbones": "vlprompt_pipeline.apps.backbones:backbones",
    "check-labels": "vlprompt_pipeline.apps.check_labels:check_labels",
    "convert-clip": "vlprompt_pipeline.apps.convert_clip:convert_clip",
    "embed": "vlprompt_pipeline.apps.embed:embed",
    "export": "vlprompt_pipeline.apps.export:export",
    "inspect": "vlprompt_pipeline.apps.inspect:inspect",
    "models": "vlprompt_pipeline.apps.models:models",
    "nearest": "vlprompt_pipeline.apps.nearest:nearest",
    "predict": "vlprompt_pipeline.apps.predict:predict",
    "publish": "vlprompt_pipeline.apps.publish:publish",
    "relabel": "vlprompt_pipeline.apps.relabel:relabel",
    "review": "vlprompt_pipeline.apps.review:review",
    "serve": "vlprompt_pipeline.apps.serve:serve",
    "sort-imagenet-val": "vlprompt_pipeline.apps.sort_imagenet_val:sort_imagenet_val",
}
"""Where each command is: module and name in it."""


class LazyGroup(click.Group):
    """A group of the commands of `COMMANDS`; what a user can mend ends in a sentence."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Return names of all commands, in order."""
        return sorted(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Import a command, or None if there is none of that name."""
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name].partition(":")
        return getattr(import_module(module), attribute)

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
    if extensions:
        from vlprompt_pipeline.run_parameters import import_extensions

        sys.path.append(str(Path("src").absolute()))
        import_extensions(extensions.split("+"))
