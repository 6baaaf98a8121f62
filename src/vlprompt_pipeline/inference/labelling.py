"""Label photos into a file: what the command does, for programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from vlprompt_pipeline.image_datasets.image_folders import readable_name
from vlprompt_pipeline.inference.label_file import LabelFile, read_rows
from vlprompt_pipeline.inference.label_page import write_label_page
from vlprompt_pipeline.inference.models import ImageModel
from vlprompt_pipeline.inference.photos import Photo
from vlprompt_pipeline.inference.predictions import predict_photos, table_columns
from vlprompt_pipeline.progress import Advance


class Labelled(NamedTuple):
    """How many rows a file has, how many of them were there before, and how many have a problem."""

    rows: int
    before: int
    broken: int


def label_to_file(
    model: ImageModel,
    photos: Iterable[Photo],
    file: LabelFile,
    *,
    top: int,
    advance: Advance,
    workers: int | None = None,
    folder: Path | None = None,
) -> Labelled:
    """Label the photos that have no row yet, then write the page and finish the file.

    Args:
        model: see `ImageModel`.
        photos: one that comes twice has one row.
        file: to write; one that was cut off goes on.
        top: labels a photo.
        advance: is told of photos as they are done.
        workers: that decode; one a core if not given.
        folder: that the photos' paths start from; the working folder if not given.

    Raises:
        UserError: the file cannot be written, or was begun with another model or folder.
    """
    rejection = model.rejection
    settings = {
        "folder": readable_name(str((folder or Path()).resolve())),
        "model": model.name,
        "version": model.version,
        "classes": list(model.class_names),
        # what decides on rows, and what it was chosen on
        "rejection": rejection and rejection.model_dump(mode="json", exclude={"operating_points"}),
    }
    with file:
        file.begin(table_columns(model, top), settings)
        before = len(file.done)
        advance(before)
        for predictions in predict_photos(model, _new(photos, file.done), top, workers):
            file.write(prediction.row(model, top) for prediction in predictions)
            advance(len(predictions))
        broken = sum(bool(row["problem"]) for row in read_rows(file.part))
        if file.page:
            title = f"{model.name} {model.version}"
            write_label_page(file.page, read_rows(file.part), folder, title)
        file.finish()
    return Labelled(len(file.done), before, broken)


def _new(photos: Iterable[Photo], done: set[str]) -> Iterator[Photo]:
    """Yield photos that have no row yet, each once."""
    for photo in photos:
        if photo.name not in done:
            done.add(photo.name)
            yield photo
