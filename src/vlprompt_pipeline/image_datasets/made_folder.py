"""Folders of pictures made on this machine: whole or absent, and never over anything else.

A made folder holds, beside its pictures, a file that says what it was made of, and the hashes of
all its files in the form of `sha256sum`.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.filesystem.files import (
    read_hashes,
    sha256_file,
    unfinished_prefix,
    write_hashes,
)

logger = logging.getLogger(__name__)

HASHES = "checksums.sha256"


def make_folder(
    folder: Path, recipe: Mapping[str, Any], recipe_file: str, write: Callable[[Path], None]
) -> None:
    """Make a folder unless the same one is there; one made by another recipe is replaced.

    Args:
        folder: to be made.
        recipe: all that its files depend on, as plain values of JSON, and the `name` for messages.
        recipe_file: name of the file in the folder that holds the recipe.
        write: writes the files into an empty folder.

    Raises:
        DataError: something else lies there, or the folder cannot be written.
    """
    try:
        fault = _first_fault(folder, recipe, recipe_file)
        if fault is None:
            return
        if fault != recipe_file:
            logger.warning("%s was changed: the pictures are drawn again", folder / fault)
        if folder.exists() and not (folder / recipe_file).is_file() and any(folder.iterdir()):
            raise DataError(
                f"{folder} is there and was not made here, and is left as it is; move it away or "
                "set dataset_root to another folder"
            )
        folder.parent.mkdir(parents=True, exist_ok=True)
        prefix = unfinished_prefix(folder.name)
        with tempfile.TemporaryDirectory(prefix=prefix, dir=folder.parent) as scratch:
            built = Path(scratch) / "new"
            built.mkdir()
            write(built)
            text = json.dumps(recipe, indent=2) + "\n"
            (built / recipe_file).write_text(text, encoding="utf-8")
            write_hashes(built, HASHES)
            if _first_fault(folder, recipe, recipe_file) is None:
                return  # another process was faster, and its folder may be in use
            with suppress(FileNotFoundError):
                folder.rename(Path(scratch) / "old")
            try:
                built.rename(folder)
            except OSError:
                if _first_fault(folder, recipe, recipe_file) is not None:
                    raise
    except OSError as error:
        raise DataError(
            f"cannot write the pictures of {recipe['name']} to {folder}: "
            f"{error.strerror or error}; make the folder writable or choose another dataset_root"
        ) from error


def _first_fault(folder: Path, recipe: Mapping[str, Any], recipe_file: str) -> str | None:
    """Return the first file that is gone or was changed; None if the folder is whole.

    For a folder of another recipe it is the recipe's file. Files that were added do not matter.
    """
    path = recipe_file  # the file that is looked at
    try:
        if json.loads((folder / path).read_text(encoding="utf-8")) != recipe:
            return path
        path = HASHES
        hashes = read_hashes(folder / path)
        for path, sha256 in hashes.items():
            if sha256_file(folder / path) != sha256:
                return path
    except (OSError, ValueError):
        return path
    return None if hashes else HASHES
