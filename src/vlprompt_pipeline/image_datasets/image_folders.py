"""List the images in folders by their names alone; no file is opened."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.image_datasets.annotations import list_folder

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"}
)
"""Endings of files taken for images, in lower case. HEIC is not among them: Pillow cannot read it,
and the ignored files are reported by ending."""


def is_image(name: str) -> bool:
    """Tell whether a file is taken for an image, by its ending."""
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # a Path each takes 6 times as long


@dataclass
class FoundImages:
    """What lies below a folder.

    Attributes:
        paths: images in ASCII order of their folders' files, relative to the root, posix.
        ignored: number of other files by their ending, and of links that are not followed.
    """

    paths: list[str] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)

    def add(self, path: str) -> None:
        """Take a file for an image or count it, by its ending."""
        if is_image(path):
            self.paths.append(path)
        else:
            self.ignored[os.path.splitext(path)[1].lower() or "no ending"] += 1


def ignored_files(ignored: Mapping[str, int]) -> str:
    """Say which files were ignored, as a clause; empty where there are none."""
    files = ", ".join(f"{ending} {number:,}" for ending, number in sorted(ignored.items()))
    return files and f"files ignored because they are no images by their ending: {files}"


def find_images(root: Path, folder: str) -> FoundImages:
    """List the images below `root / folder`, at any depth, by their paths from `root`.

    Hidden files are left out. Links to folders are followed, except to a folder that lies in `root`
    or holds it: its images would be listed again, under another class. Such links are counted.

    Raises:
        DataError: a folder may not be listed.
    """
    images = FoundImages()
    _descend(root, folder, images, frozenset())
    return images


def _descend(root: Path, folder: str, images: FoundImages, above: frozenset[str]) -> None:
    real = os.path.realpath(root / folder)
    if real in above or (above and os.path.islink(root / folder) and _overlap(real, root)):
        images.ignored["links back into the dataset"] += 1
        return
    listing = list_folder(root / folder)
    prefix = f"{folder}/" if folder else ""
    for name in listing.files:
        images.add(f"{prefix}{name}")
    for name in listing.folders:
        _descend(root, f"{prefix}{name}", images, above | {real})


def _overlap(real: str, root: Path) -> bool:
    """Tell whether one of two folders holds the other."""
    whole = os.path.realpath(root)
    return os.path.commonpath([real, whole]) in (real, whole)


def require_apart(root: Path, folders: Iterable[str]) -> None:
    """Check that no class folder of `root` is another one or lies in it, as through a link.

    Raises:
        DataError: naming the first two.
    """
    whole = os.path.realpath(root)
    real = {folder: os.path.realpath(root / folder) for folder in folders}
    # a link comes after the folder it leads to, and a folder right before what lies in it
    ordered = sorted(
        real, key=lambda name: (Path(real[name]).parts, real[name] != os.path.join(whole, name))
    )
    for first, second in pairwise(ordered):
        if Path(real[second]).is_relative_to(real[first]):
            raise DataError(
                f"the class folder {second} of {root} leads to the images of {first}, which would "
                "count twice, as those of two classes or parts; remove the link"
            )


def readable_name(name: str) -> str:
    """Write a file's name in UTF-8, with bytes that are no UTF-8 in hex."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
