"""`vlprompt models`: which models are registered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vlprompt_pipeline.apps.options import with_tracking_uri

if TYPE_CHECKING:
    from vlprompt_pipeline.registry.loading import ListedVersion

_COLUMNS = ("model", "version", "alias", "score", "bytes", "trained on", "clip", "registered")
_SCORES = ("H", "accuracy", "base")  # tags of a version, the first that it has


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with all tags.")
@with_tracking_uri
def models(name: str | None, as_json: bool, tracking_uri: str) -> None:
    """List registered models and their versions, the newest first.

    NAME shows one model alone. What is listed is what predict, export and serve take:
    NAME@ALIAS or NAME/VERSION. The score is H of base and new classes, or the accuracy.
    """
    from vlprompt_pipeline import registry
    from vlprompt_pipeline.errors import UserError

    rows = registry.list_versions(registry.open_existing(tracking_uri, Path.cwd()), name)
    if name and not rows:
        raise UserError(f"no model {name}: vlprompt models lists what there is")
    described = [_described(row) for row in rows]
    if as_json:
        pairs = zip(described, rows, strict=True)
        full = [each | {"tags": dict(row.version.tags)} for each, row in pairs]
        click.echo(json.dumps(full, indent=1))
    elif not rows:
        click.echo("no model is registered: kedro run --pipelines=register makes one", err=True)
    else:
        click.echo(_table(described))


def _described(row: ListedVersion) -> dict[str, Any]:
    from datetime import UTC, datetime

    tags = row.version.tags
    scores = tags if row.version.hashes else {}  # a version of another program may have any tags
    score = next((f"{tag} {float(scores[tag]):.1f} %" for tag in _SCORES if tag in scores), "")
    cell = {key: tags.get(key, "?") for key in ("protocol", "shots", "seed")}
    return {
        "model": row.version.name,
        "version": row.version.number,
        "alias": ", ".join(row.aliases),
        "score": score,
        "bytes": tags.get("bytes", ""),
        "trained on": "{protocol}, {shots} shots, seed {seed}".format(**cell),
        "clip": tags.get("clip", ""),
        "registered": datetime.fromtimestamp(row.created / 1000, UTC).strftime("%Y-%m-%d %H:%M"),
    }


def _table(rows: list[dict[str, Any]]) -> str:
    """Return columns as wide as what stands in them; those that are empty are left out."""
    columns = [column for column in _COLUMNS if any(row[column] for row in rows)]
    lines = [columns, *([str(row[column]) for column in columns] for row in rows)]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
