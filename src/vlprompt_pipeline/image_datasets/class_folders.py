"""Splits by class folders, the form of ImageNet and its shifted variants.

Beside the images stands `classnames.txt`, with one line per class: `n01440764 tench`. A class is
known by its WordNet id, never by its name, because two pairs share one (missile, sunglasses).
Labels follow the lines of that file, which are in ASCII order of the ids.

Images stand in ASCII order of their file names. The published code took the order in which the
file system listed them, so its few-shot sets of ImageNet cannot be drawn again image for image:
ours differ from them, and are the same on every machine.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.image_datasets.annotations import list_folder, read_lines, split_line
from vlprompt_pipeline.image_datasets.image_folders import is_image, require_apart
from vlprompt_pipeline.image_datasets.split import Row, Split
from vlprompt_pipeline.wording import some

CLASS_NAME_FILE = "https://github.com/KaiyangZhou/CoOp/blob/main/DATASETS.md"
"""Where `classnames.txt` can be had, as the end of a sentence."""

logger = logging.getLogger(__name__)

_CLASS_NAMES = "classnames.txt"


@dataclass(frozen=True, kw_only=True)
class ClassFolders:
    """A split whose parts are folders of class folders.

    Files beside the class folders are ignored: ImageNet-A and -R have a README.txt there. So are
    those inside that are no images, such as Thumbs.db; they are named in a warning.

    Attributes:
        parts: part to folder inside the image folder; "" is the image folder itself.
        numbered: class folders are called by the place of their class in `classnames.txt`,
            counted from 0, not by its id.
        subset: only some classes of `classnames.txt` have a folder, and labels count those.
        sorted_with: the command that makes class folders of a part that its archive leaves flat.
    """

    parts: Mapping[str, str]
    numbered: bool = False
    subset: bool = False
    sorted_with: str = ""

    @property
    def files(self) -> tuple[str, ...]:
        """The file of the class names."""
        return (_CLASS_NAMES,)

    def read(self, folder: Path, images: Path) -> Split:
        """List the class folders of each part.

        Raises:
            DataError: `classnames.txt` is not of the form above, classes and folders differ, or a
                folder leads to another one.
        """
        names = read_class_names(folder / _CLASS_NAMES)
        if self.numbered:
            names = {str(number): name for number, name in enumerate(names.values())}
        rows = {part: self._rows(images, folder, names) for part, folder in self.parts.items()}
        return Split.from_rows(f"the split by class folders of {images}", rows)

    def _rows(self, images: Path, folder: str, names: Mapping[str, str]) -> list[Row]:
        listing = list_folder(images / folder)
        folders = set(listing.folders)
        flat = [file for file in listing.files if is_image(file)]
        if flat and self.sorted_with:
            raise DataError(
                f"{images / folder} holds {len(flat):,} images outside of class folders "
                f"({some(flat)}); if its archive left them so, sort them with {self.sorted_with} "
                f"{images / folder} <file of their labels>; move others elsewhere"
            )
        if unknown := sorted(folders - set(names)):
            raise DataError(
                f"{images / folder} has folders that are no class of {_CLASS_NAMES} "
                f"({some(unknown)}); move them elsewhere or get the official {_CLASS_NAMES}"
            )
        if self.subset:
            names = {key: name for key, name in names.items() if key in folders}
        if absent := [key for key in names if key not in folders]:
            raise DataError(
                f"{images / folder} has no folder for {len(absent):,} of the {len(names):,} "
                f"classes of {_CLASS_NAMES} ({some(absent)}); unpack the archive whole, one folder "
                "a class"
            )
        prefix = f"{folder}/" if folder else ""
        require_apart(images, [f"{prefix}{key}" for key in names])
        return [
            (f"{prefix}{key}/{file}", label, name)
            for label, (key, name) in enumerate(names.items())
            for file in _images(images / folder / key)
        ]


def read_class_names(file: Path) -> dict[str, str]:
    """Read `classnames.txt`: WordNet id to class name, in the order of the lines.

    Raises:
        DataError: a line has no name or an id stands twice.
    """
    names: dict[str, str] = {}
    for number, line in enumerate(read_lines(file), start=1):
        where = f"line {number} of {file}"
        key, name = split_line(line, where, "a WordNet id and a class name")
        if key in names:
            raise DataError(f"{where} names the class {key} again; get the official file again")
        names[key] = name
    return names


def _images(folder: Path) -> list[str]:
    """Return images of a class folder, in ASCII order; other files are named in a warning."""
    files = list_folder(folder).files
    images = [file for file in files if is_image(file)]
    if others := sorted(set(files) - set(images)):
        logger.warning("%s holds files that are no images: %s", folder, some(others))
    return images
