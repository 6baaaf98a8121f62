"""From an image file to pixels by `preprocessing.json`, with Pillow and numpy alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from vlprompt_pipeline.images import Decoding, read_rgb


@dataclass(frozen=True)
class Preparation:
    """What `preprocessing.json` says.

    Attributes:
        decoding: see `vlprompt_pipeline.images`.
        height, width: of the pixels.
        squash: whether both sides are resized; else the short one, and the centre is cropped.
        interpolation: Pillow's name of the filter.
        crop_down: whether the place of the crop is rounded down, else halves go to even numbers.
        mean, std: of each channel, of values from 0 to 1.
    """

    decoding: Decoding
    height: int
    width: int
    squash: bool
    interpolation: str
    crop_down: bool
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> Preparation:
        """Read the values of the file."""
        height, width = described["size"]
        return cls(
            decoding=described["decoding"],
            height=height,
            width=width,
            squash=described["resize_mode"] == "squash",
            interpolation=described["filter"],
            crop_down=described["crop_offset"] == "down",
            mean=tuple(described["mean"]),
            std=tuple(described["std"]),
        )

    def pixels(self, source: Path | BinaryIO) -> np.ndarray:
        """Return `[3, height, width]`, float32, as the model was evaluated.

        Raises:
            DataError: it is no image, damaged, or too large to decode.
        """
        image = self._resized(read_rgb(source, self.decoding, max(self.height, self.width)))
        values = np.asarray(image)
        return np.stack([self._levels[c].take(values[..., c]) for c in range(3)])

    def _resized(self, image: Image.Image) -> Image.Image:
        width, height = image.size
        if self.squash:
            size = (self.width, self.height)
        elif width <= height:
            size = (self.width, int(self.width * height / width))
        else:
            size = (int(self.height * width / height), self.height)
        image = image.resize(size, Image.Resampling[self.interpolation.upper()])
        spare = size[0] - self.width, size[1] - self.height
        left, top = (s // 2 if self.crop_down else round(s / 2) for s in spare)
        return image.crop((left, top, left + self.width, top + self.height))

    @cached_property
    def _levels(self) -> np.ndarray:
        """What each level of each channel is normalised to, `[3, 256]`."""
        ramp = np.arange(256, dtype=np.float32) / np.float32(255)
        mean, std = (np.array(each, np.float32)[:, None] for each in (self.mean, self.std))
        return (ramp - mean) / std
