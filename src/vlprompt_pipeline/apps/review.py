"""`vlprompt review`: a page on which predictions are confirmed or corrected."""

from __future__ import annotations

from pathlib import Path

import click

from vlprompt_pipeline.apps.options import FILE, FOLDER, NEW_FILE

_SHOWN = 200  # photos of 15 kB, and what a person looks through at once: our choice


@click.command()
@click.argument("labels", type=FILE)
@click.option(
    "--images",
    type=FOLDER,
    default=Path(),
    help="The folder that the paths of the table start from.",
)
@click.option(
    "--features",
    type=FILE,
    help="What vlprompt embed wrote of these photos: photos that look alike come later.",
)
@click.option("--count", type=click.IntRange(min=1), default=_SHOWN, help="Photos shown.")
@click.option(
    "--out",
    type=NEW_FILE,
    help="The page; beside LABELS, ending in .review.html, if not given.",
)
def review(labels: Path, images: Path, features: Path | None, count: int, out: Path | None) -> None:
    """Write a page with the photos of LABELS that a person should look at.

    LABELS is a table that vlprompt predict --top 3 --out or vlprompt check-labels wrote. Wrong
    labels come first, then doubtful ones. The page saves reviewed_labels.csv, which vlprompt
    relabel makes part of a dataset.

    \b
      vlprompt predict new/ --model my_photos.tip_adapter_f --top 3 --out labels.csv
      vlprompt review labels.csv --images new/
      vlprompt relabel my_photos reviewed_labels.csv --dataset-root ~/Pictures
    """
    from vlprompt_pipeline.curation.embeddings import Embeddings
    from vlprompt_pipeline.curation.order import review_order
    from vlprompt_pipeline.curation.review_page import read_predictions, write_review_page

    page = out or labels.with_suffix(".review.html")
    table = read_predictions(labels)
    given = Embeddings.load(features).features_of(table["path"].tolist()) if features else None
    rows = review_order(table, count, given)
    write_review_page(page, table, rows, images, labels.name)
    click.echo(f"{page}: {len(rows):,} of {len(table):,} photos; open it in a browser", err=True)
