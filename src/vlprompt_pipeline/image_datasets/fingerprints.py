"""What an image is known by: features and checks are stored under it, so it must be unambiguous.

Our choice: small sets are known by content (`sha256:<hex>`), which survives moving and copying
the data and shows an image that stands in two parts. Sets of more than `MAX_HASHED` images
(Food101, SUN397, ImageNet) would cost gigabytes of reading at each run and are known by
`stat:<size>-<mtime_ns>-<ctime_ns>-<inode>:<path>`. An editor can keep size and time of a file, but
not the time of its last change of any kind, which the system sets. The path is in it because
unpacked archives have whole-second times, so two images often share both size and time. A copy of
such a set is therefore another set; `data_check` reads all contents where it is asked to.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.filesystem.files import sha256_file

MAX_HASHED = 30_000


def fingerprint_images(paths: Sequence[str], folder: Path) -> list[str]:
    """Return fingerprints of `folder / path`, one for each path, in the same order.

    Raises:
        DataError: an image cannot be read.
    """
    fingerprints, unreadable = fingerprint_readable(paths, folder)
    if unreadable:
        path, reason = next(iter(unreadable.items()))
        others = f" (and so {len(unreadable) - 1:,} more)" if len(unreadable) > 1 else ""
        raise DataError(f"cannot read {folder / path}: {reason}{others}; make the images readable")
    return [fingerprints[path] for path in paths]


def fingerprint_readable(
    paths: Sequence[str], folder: Path
) -> tuple[dict[str, str], dict[str, str]]:
    """Return path to fingerprint of the images that can be read, and path to reason of others."""
    fingerprint = _by_content if len(paths) <= MAX_HASHED else _by_stat
    fingerprints, unreadable = {}, {}
    for path in paths:  # one thread: a pool took longer on a local disk, the files being so small
        try:
            fingerprints[path] = fingerprint(folder, path)
        except OSError as error:
            unreadable[path] = error.strerror or str(error)
    return fingerprints, unreadable


def _by_content(folder: Path, path: str) -> str:
    return f"sha256:{sha256_file(folder / path)}"


def _by_stat(folder: Path, path: str) -> str:
    stat = os.stat(f"{folder}/{path}")  # to make a Path would take longer than this
    times = f"{stat.st_mtime_ns}-{stat.st_ctime_ns}"
    return f"stat:{stat.st_size}-{times}-{stat.st_ino}:{path}"
