"""Which photos are to be labelled: files, folders, or paths from the standard input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.image_datasets.image_folders import (
    find_images,
    ignored_files,
    readable_name,
)


class Photo(NamedTuple):
    """A photo: its name in tables, which is its path as printable text, and its file."""

    name: str
    path: Path


class PhotoListing(NamedTuple):
    """Photos in order, and other files that were left out by their ending."""

    photos: list[Photo]
    ignored: Counter[str]


def find_photos(sources: Iterable[Path]) -> PhotoListing:
    """List photos: a file as it is named, and what is an image by its ending below a folder.

    Photos of one folder are shown by their path in it, of several sources by the path from here.

    Raises:
        DataError: a source is not there or cannot be listed, or there is no photo at all.
    """
    sources = list(sources)
    photos, ignored = [], Counter()
    for source in sources:
        if not source.exists():
            raise DataError(f"there is no {source}: name a photo, or a folder that holds some")
        if not source.is_dir():
            photos.append(Photo(readable_name(str(source)), source))
            continue
        images = find_images(source, "")
        ignored += images.ignored
        alone = len(sources) == 1
        photos += (
            Photo(readable_name(path if alone else str(source / path)), source / path)
            for path in images.paths
        )
    if not photos:
        names = ", ".join(map(str, sources))
        found = ignored_files(ignored)
        raise DataError(
            f"no image files in {names}{found and f' ({found})'}: name a folder that holds some"
        )
    return PhotoListing(photos, ignored)


def read_paths(lines: Iterable[str]) -> Iterator[Photo]:
    """Take a photo from each line that is not empty, as the lines come."""
    for line in lines:
        if name := line.rstrip("\r\n"):
            yield Photo(readable_name(name), Path(name))
