"""A model that needs nothing: it reads a grey level, and knows three classes."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.images import read_rgb
from vlprompt_pipeline.rejection import Rejection, softmax


class GreyModel:
    """Scores dark, middle and light pictures; remembers how many it was given at once."""

    name, version, class_names, block = "fake.grey", "7", ("dark", "middle", "light"), 4
    pixel_shape = (3, 2, 2)
    rejection: Rejection | None = None

    def __init__(self) -> None:
        self.blocks: list[np.ndarray] = []

    def pixels(self, source: bytes) -> np.ndarray:
        grey = np.asarray(read_rgb(BytesIO(source), "published"))[0, 0, 0] / 255
        return np.full((3, 2, 2), grey, np.float32)

    def logits(self, pixels: np.ndarray) -> np.ndarray:
        self.blocks.append(pixels.copy())
        return -4 * np.abs(pixels[:, 0, 0, 0, None] - np.array([0.0, 0.5, 1.0]))

    def scores(self, pixels: np.ndarray) -> np.ndarray:
        return softmax(self.logits(pixels))


class BrokenModel(GreyModel):
    """A model that no picture can be prepared for."""

    def pixels(self, source: bytes) -> np.ndarray:
        raise DataError("never")


def write_greys(folder: Path, levels: list[int]) -> list[Path]:
    """A picture of each grey level, in the order of their names."""
    paths = [folder / f"{number:03d}.png" for number in range(len(levels))]
    for path, level in zip(paths, levels, strict=True):
        Image.new("RGB", (2, 2), (level, level, level)).save(path)
    return paths
