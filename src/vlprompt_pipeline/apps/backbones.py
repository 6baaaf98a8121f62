"""`vlprompt backbones`: which CLIPs can be adapted, and by which methods."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click


@click.command()
@click.argument("model", required=False)
@click.option("--table", is_flag=True, help="Print docs/backbones.md: all pretrained tags.")
@click.option(
    "--try",
    "tried",
    is_flag=True,
    help="With --table: train a step of every method on every kind, built small (minutes).",
)
def backbones(model: str | None, table: bool, tried: bool) -> None:
    """Show what is known of a model of open_clip, without downloading it.

    MODEL is a name of open_clip, such as ViT-B-16-SigLIP, with or without :<tag>.
    """
    from vlprompt_pipeline import backbones as catalogue

    if table:
        click.echo(catalogue.document(_recipes(), tried), nl=False)
    elif model:
        click.echo(catalogue.describe(model.removeprefix("open_clip:"), _recipes()))
    else:
        raise click.UsageError("give the name of a model, or --table")


def _recipes() -> Mapping[str, Any]:
    """Return the recipes of the project in the working folder."""
    import yaml

    from vlprompt_pipeline.errors import UserError

    path = Path("conf/base/parameters_recipes.yml")
    if not path.is_file():
        raise UserError(f"no {path} here: run vlprompt backbones in the project's folder")
    return yaml.safe_load(path.read_text(encoding="utf-8"))["recipes"]
