"""Small pictures for own-data tests: each of its own content, drawn from its path."""

from __future__ import annotations

import hashlib
from pathlib import Path

from PIL import Image


def write_photo(file: Path) -> None:
    """A picture of 8 x 8 px whose colour is the hash of its path's last two parts."""
    file.parent.mkdir(parents=True, exist_ok=True)
    colour = hashlib.sha256("/".join(file.parts[-3:]).encode()).digest()[:3]
    Image.new("RGB", (8, 8), tuple(colour)).save(file)


def write_classes(folder: Path, **sizes: int) -> None:
    """Class folders with so many pictures each."""
    for name, number in sizes.items():
        for serial in range(number):
            write_photo(folder / name / f"{serial:03}.png")
