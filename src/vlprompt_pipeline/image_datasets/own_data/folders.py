"""Own photos in folders.

    <name>/train/<class>/...   <name>/test/<class>/...   and perhaps <name>/val/<class>/...
    <name>/<class>/...
    <name>/metadata.csv, or one in each of train/ and test/: see `tables`

`val` may be called `valid` or `validation`. Images lie at any depth below their class folder.
"""

from __future__ import annotations

from pathlib import Path

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.image_datasets.annotations import list_folder
from vlprompt_pipeline.image_datasets.image_folders import (
    FoundImages,
    find_images,
    ignored_files,
    require_apart,
)
from vlprompt_pipeline.image_datasets.own_data.gathered import PART_NAMES, Gathered, Photo
from vlprompt_pipeline.image_datasets.own_data.tables import (
    find_metadata,
    gather_metadata,
    metadata_in,
)
from vlprompt_pipeline.wording import some


def gather_folder(root: Path) -> Gathered:
    """List a folder of own photos, in whichever layout it is.

    Raises:
        DataError: the layout is none of those above, could be two of them, or a class folder leads
            to another one.
    """
    if file := metadata_in(root):  # it says the parts, not the folders
        return gather_metadata(root, {None: file})
    part_folders = _part_folders(root)
    if metadata := find_metadata(root, part_folders):
        return gather_metadata(root, metadata)
    gathered = Gathered(f"folder {root}", root)
    folders: list[str] = []
    for part, folder in part_folders.items() or ((None, ""),):
        folders += _add_classes(gathered, part, folder)
    require_apart(root, folders)
    classes = {folder.rpartition("/")[2] for folder in folders}
    gathered.empty = tuple(sorted(classes - set(gathered.keys)))
    if not gathered.photos:
        ignored = ignored_files(gathered.ignored)
        raise DataError(
            f"{root} has no image in a class folder{ignored and f' ({ignored})'}; expected are "
            "train/<class>/ and test/<class>/, or <class>/ alone, each with the images of a class"
        )
    return gathered


def _part_folders(root: Path) -> dict[str | None, str]:
    """Return part to folder name; empty where the folders are classes."""
    folders = list_folder(root).folders
    named = [folder for folder in folders if folder.lower() in PART_NAMES]
    others = [folder for folder in folders if folder not in named]
    if not named or (others and len(named) == 1):  # a class may well be called train
        return {}
    if others:
        raise DataError(
            f"{root} has {' and '.join(named)} beside other folders ({some(others)}), so it could "
            "be parts or classes; move the others elsewhere, or rename them all to classes"
        )
    part_folders: dict[str | None, str] = {}
    for folder in named:
        part = PART_NAMES[folder.lower()]
        if part in part_folders:
            raise DataError(
                f"{root} has both {part_folders[part]}/ and {folder}/ for the part {part}; keep one"
            )
        part_folders[part] = folder
    if "train" not in part_folders:
        raise DataError(
            f"{root} has {some(named)} but no train/; put the training images into train/<class>/, "
            "or all class folders directly into it to have them split"
        )
    return part_folders


def _add_classes(gathered: Gathered, part: str | None, folder: str) -> list[str]:
    """Add the images of each class folder below `folder`; returns the paths of these."""
    listing = list_folder(gathered.folder / folder)
    prefix = f"{folder}/" if folder else ""
    loose = FoundImages()
    for name in listing.files:
        loose.add(name)
    gathered.loose += len(loose.paths)
    gathered.ignored += loose.ignored
    for key in listing.folders:
        images = find_images(gathered.folder, f"{prefix}{key}")
        gathered.photos += [Photo(path, key, part) for path in images.paths]
        gathered.ignored += images.ignored
    return [f"{prefix}{key}" for key in listing.folders]
