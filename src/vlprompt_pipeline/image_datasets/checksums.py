"""The hashes of all files of a folder that was drawn here, in the form of `sha256sum`."""

from __future__ import annotations

from pathlib import Path

from vlprompt_pipeline.files import sha256_file

NAME = "checksums.sha256"


def write_checksums(folder: Path) -> None:
    """Write the hash of every file below a folder; `sha256sum -c checksums.sha256` checks them."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != NAME)
    lines = [f"{sha256_file(path)}  {path.relative_to(folder).as_posix()}\n" for path in files]
    (folder / NAME).write_text("".join(lines), encoding="utf-8")


def first_changed(folder: Path) -> str | None:
    """Return the first file that is gone or not as it was written; none if all are.

    Files that were added are not looked for.
    """
    try:
        lines = (folder / NAME).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return NAME
    for line in lines:
        sha256, _, path = line.partition("  ")
        try:
            same = sha256_file(folder / path) == sha256
        except OSError:
            same = False
        if not same:
            return path
    return None if lines else NAME
