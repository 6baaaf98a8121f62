"""Check that the files of a version are those that were registered.

Two places know their SHA-256: the tag `files_sha256` of the version, for whoever has the registry,
and the configuration inside the package, for a server that has nothing but the package.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vlprompt_pipeline.errors import PromptFileError
from vlprompt_pipeline.filesystem.files import sha256_file

CLIP_FOLDER = "clip"  # its weights are checked by the hash in the card when they are loaded


def hash_files(folder: Path) -> dict[str, str]:
    """Hash every file below a folder, by its relative path, without included CLIP weights."""
    relative = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    return {
        name.as_posix(): sha256_file(folder / name)
        for name in relative
        if CLIP_FOLDER not in name.parts[:-1]
    }


def require_same_files(files: Mapping[str, Path], expected: Mapping[str, str], what: str) -> None:
    """Compare files with the hashes that were stored when they were registered.

    Args:
        files: paths, by the names that `expected` has.
        expected: SHA-256 by name.
        what: the version, for the message.

    Raises:
        PromptFileError: a file is absent or was changed; it names the file.
    """
    for name, expected_hash in expected.items():
        path = files.get(name)
        if path is None or not path.is_file():
            changed = "is gone"
        elif sha256_file(path) != expected_hash:
            changed = "was changed"
        else:
            continue
        raise PromptFileError(
            f"{name} of {what} {changed} since it was registered: nothing of it is used; register "
            "the model again, or put the file back"
        )
