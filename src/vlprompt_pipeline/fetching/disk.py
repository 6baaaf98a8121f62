"""Check for room on the disk before it is needed."""

from __future__ import annotations

import shutil
from pathlib import Path

from vlprompt_pipeline.errors import FetchError


def require_room(folder: Path, needed: int, what: str) -> None:
    """Check that `needed` bytes are free where `folder` is.

    Raises:
        FetchError: there is less; says how much is needed and free.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise FetchError(
            f"{what} needs {needed / 1e9:.1f} GB on the disk of {folder}, which has "
            f"{free / 1e9:.1f} GB free; make room or set dataset_root to another disk"
        )
