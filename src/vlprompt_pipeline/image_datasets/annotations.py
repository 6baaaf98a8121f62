"""Read what official annotations consist of: lines of text files and names of folders."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from vlprompt_pipeline.errors import DataError


class Listing(NamedTuple):
    """Names of the folders and files in a folder, in ASCII order."""

    folders: list[str]
    files: list[str]


def list_folder(folder: Path, *, hidden: bool = False) -> Listing:
    """List a folder, hidden entries only where they are asked for.

    Raises:
        DataError: it does not exist or may not be listed.
    """
    folders, files = [], []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not hidden and entry.name.startswith("."):
                    continue
                with suppress(OSError):  # a link that leads in a circle is neither
                    if entry.is_dir():
                        folders.append(entry.name)
                    elif entry.is_file():
                        files.append(entry.name)
    except OSError as error:
        raise DataError(
            f"cannot list {folder}: {error.strerror}; put the dataset's folder there and make it "
            "readable"
        ) from error
    return Listing(sorted(folders), sorted(files))


def read_lines(file: Path) -> list[str]:
    """Read the lines of a text file without surrounding blanks; empty ones are left out.

    Raises:
        DataError: it does not exist, may not be read or is no text.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(
            f"cannot read {file}: {error.strerror}; put the official file there"
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not text ({error}); get the official file again") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def split_line(line: str, where: str, form: str) -> tuple[str, str]:
    """Split a line at its first blank into a key and a text that may hold more blanks.

    Raises:
        DataError: there is no text; `where` and `form` tell which line and what it should be.
    """
    key, _, text = line.partition(" ")
    if not text.strip():
        raise DataError(f"{where} is {line!r}; a line is {form}: get the official file again")
    return key, text.strip()
