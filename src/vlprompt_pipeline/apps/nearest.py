"""`vlprompt nearest`: the photos of a file of features that are nearest to a text or a picture."""

from __future__ import annotations

from pathlib import Path

import click

from vlprompt_pipeline.apps.options import FILE


@click.command()
@click.argument("features", type=FILE)
@click.option("--text", help='Such as "a red flag".')
@click.option("--picture", type=FILE, help="An image file, instead of a text.")
@click.option("--count", type=click.IntRange(min=1), default=10, help="How many photos.")
def nearest(features: Path, text: str | None, picture: Path | None, count: int) -> None:
    """List the photos nearest to a text or a picture, as a CSV table of path, label and cosine.

    FEATURES is a file that vlprompt embed wrote.
    """
    if (text is None) == (picture is None):
        raise click.UsageError("give either --text or --picture")
    from vlprompt_pipeline.curation.embeddings import Embeddings
    from vlprompt_pipeline.curation.nearest import nearest as find
    from vlprompt_pipeline.curation.nearest import query_picture, query_text

    embeddings = Embeddings.load(features)
    clip = embeddings.load_clip()
    query = query_picture(clip, picture) if picture else query_text(clip, text)
    table = find(embeddings, query, count)
    click.echo(table.to_csv(index=False, float_format="%.4f"), nl=False)
