"""`vlprompt predict`: label photos with a model, as many as there are."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vlprompt_pipeline.apps.options import NEW_FILE, with_clip, with_tracking_uri

if TYPE_CHECKING:
    from vlprompt_pipeline.inference import ImageModel, Photo

STANDARD_INPUT = "-"


@click.command()
@click.argument("photos", nargs=-1, required=True, type=click.Path(exists=True, allow_dash=True))
@click.option(
    "--model",
    help="A registered model (NAME, NAME@ALIAS or NAME/VERSION), a folder that vlprompt export "
    "wrote, or hf-hub:ORG/NAME. Without it, the only one that is registered.",
)
@click.option("--classes", help="Other classes to tell apart: NAME,NAME,…")
@click.option("--top", type=click.IntRange(min=1), default=1, help="Labels a photo.")
@click.option(
    "--accuracy",
    type=click.FloatRange(0, 1, min_open=True),
    help="Share of right answers wanted among the photos that are given a label; the others are "
    "none. Refused where no threshold of the model has it.",
)
@click.option(
    "--out",
    type=NEW_FILE,
    help="Write a .csv or .parquet file here instead of a CSV table to the terminal.",
)
@click.option("--page", is_flag=True, help="With --out: a page beside it that shows photos, too.")
@click.option("--overwrite", is_flag=True, help="Replace --out, or begin it anew.")
@click.option("--workers", type=click.IntRange(min=1), help="How many decode; one a core.")
@with_clip
@with_tracking_uri
def predict(
    photos: tuple[str, ...],
    model: str | None,
    classes: str | None,
    top: int,
    accuracy: float | None,
    out: Path | None,
    page: bool,
    overwrite: bool,
    workers: int | None,
    clip: str | None,
    tracking_uri: str,
) -> None:
    """Label photos.

    PHOTOS are image files, folders (with all below them), or - for paths that come line by line.

    \b
      vlprompt predict holiday/ --model pets.qcoop --out labels.csv --page
      find . -name '*.jpg' | vlprompt predict - --model shipped/ > labels.csv

    Rows appear as they are made. A command that was cut off goes on where it was when it is given
    again. A file that is no image gets a row with its problem.
    """
    from vlprompt_pipeline import inference
    from vlprompt_pipeline.progress import bar

    if page and out is None:
        raise click.UsageError("--page goes beside a table: give --out, too")
    if STANDARD_INPUT in photos and len(photos) > 1:
        raise click.UsageError("- stands alone: name photos, or give their paths line by line")
    names = [name.strip() for name in classes.split(",")] if classes is not None else []
    sources = [Path(source) for source in photos]
    file = inference.LabelFile(out, overwrite, page) if out else None
    stream, total = _photos(sources)
    opened = inference.open_model(model, names, tracking_uri, clip_source=clip)
    if accuracy is not None:
        opened = inference.with_accuracy(opened, accuracy)
        click.echo(opened.rejection.sentence(), err=True)
    if file is None:
        _to_terminal(opened, stream, top, workers)
        return
    with bar("photos", total) as advance:
        done = inference.label_to_file(
            opened,
            stream,
            file,
            top=top,
            advance=advance,
            workers=workers,
            folder=sources[0] if len(sources) == 1 and sources[0].is_dir() else None,
        )
    there = f", {done.before:,} of them there before" if done.before else ""
    broken = f", {done.broken:,} without a label (see problem)" if done.broken else ""
    click.echo(f"{out}: {done.rows:,} photos{there}{broken}", err=True)
    if page:
        click.echo(f"{file.page}: open it in a browser", err=True)


def _photos(sources: list[Path]) -> tuple[Iterable[Photo], int | None]:
    """Return photos, and how many there are, if that is known."""
    from vlprompt_pipeline import inference

    if sources == [Path(STANDARD_INPUT)]:
        return inference.read_paths(map(os.fsdecode, sys.stdin.buffer)), None
    listed = inference.find_photos(sources)
    if listed.ignored:
        endings = ", ".join(
            f"{ending} {count:,}" for ending, count in listed.ignored.most_common(5)
        )
        click.echo(f"{listed.ignored.total():,} other files are left out ({endings})", err=True)
    return listed.photos, len(listed.photos)


def _to_terminal(model: ImageModel, photos: Iterable[Photo], top: int, workers: int | None) -> None:
    from vlprompt_pipeline import inference
    from vlprompt_pipeline.inference.label_file import csv_line

    sys.stdout.write(csv_line(inference.table_columns(model, top)))
    for predictions in inference.predict_photos(model, photos, top, workers):
        sys.stdout.writelines(csv_line(prediction.row(model, top)) for prediction in predictions)
        sys.stdout.flush()
