"""From an image file to what the image tower reads: the test view and random training crops."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vlprompt_pipeline.clip.encoding import Views
from vlprompt_pipeline.clip.lazy_libraries import torchvision
from vlprompt_pipeline.clip.preprocessing import Preprocessing
from vlprompt_pipeline.images import MARGIN, Decoding, read_rgb

_RATIOS = (3 / 4, 4 / 3)  # of the sides of a crop: torchvision's defaults
_TRIES = 10


@dataclass(frozen=True)
class EvaluationView(Views):
    """The image as the CLIP was trained to see it: one view, resized and normalised.

    Example:
        >>> import io
        >>> from PIL import Image
        >>> from vlprompt_pipeline.clip import load_clip
        >>> from vlprompt_pipeline.clip.views import EvaluationView
        >>> file = io.BytesIO()
        >>> Image.new("RGB", (80, 60), "teal").save(file, "png")
        >>> view = EvaluationView(load_clip("embedded", "demo").preprocessing)
        >>> view.of(file).shape
        torch.Size([3, 48, 48])
    """

    preprocessing: Preprocessing
    decoding: Decoding = "published"

    count = 1  # of views

    @property
    def identity(self) -> str:
        """What the features depend on, besides image and weights."""
        return f"test {self.preprocessing}{_named(self.decoding)}"

    def of(self, source: Path | BinaryIO) -> Tensor:
        """Return `[3, size, size]` of an image file, or of its bytes.

        Raises:
            DataError: it is no image, damaged, or too large to decode.
        """
        return self.pixels(source, "")[0]

    def levels(self, source: Path | BinaryIO, fingerprint: str) -> Tensor:
        """Return levels `[1, size, size, 3]`, for any fingerprint the same."""
        image = read_rgb(source, self.decoding, max(self.preprocessing.height_width))
        return _levels(self.preprocessing.resized(image))[None]


@dataclass(frozen=True)
class TrainingViews(Views):
    """Random resized crops with random flips, the published augmentation (methods: Dassl defaults).

    A crop depends on (seed, image, view number) alone, so that neither threads nor the order of
    work change it. `first` numbers the views: an online loop asks for new ones in each step.

    Example:
        >>> from vlprompt_pipeline.clip import load_clip
        >>> from vlprompt_pipeline.clip.views import TrainingViews
        >>> preprocessing = load_clip("embedded", "demo").preprocessing
        >>> views = TrainingViews(preprocessing, seed=1, count=4, crop_scale=(0.08, 1.0))
        >>> views.count
        4
    """

    preprocessing: Preprocessing
    seed: int
    count: int
    crop_scale: tuple[float, float]
    decoding: Decoding = "published"
    first: int = 0

    @property
    def identity(self) -> str:
        """What the features depend on, besides image and weights."""
        crops = f"{self.seed} {self.first}+{self.count} {self.crop_scale}"
        return f"crops {self.preprocessing} {crops}{_named(self.decoding)}"

    def levels(self, source: Path | BinaryIO, fingerprint: str) -> Tensor:
        """Return crops `[count, size, size, 3]` of an image file, or of its bytes."""
        return self.cut(self.read(source), fingerprint)

    def read(self, source: Path | BinaryIO) -> Image.Image:
        """Decode an image file as far as its crops need it; the same for all crops.

        Raises:
            DataError: it is no image, damaged, or too large to decode.
        """
        # where a crop lies is drawn in pixels of the file, so only whole images are decoded smaller
        whole = self.crop_scale[0] == 1
        short_side = max(self.preprocessing.height_width) if whole else None
        return read_rgb(source, self.decoding, short_side)

    def cut(self, image: Image.Image, fingerprint: str) -> Tensor:
        """Return crops of a decoded image, `[count, size, size, 3]` in uint8."""
        numbers = range(self.first, self.first + self.count)
        return torch.stack([_levels(self._crop(image, fingerprint, each)) for each in numbers])

    def _crop(self, image: Image.Image, fingerprint: str, number: int) -> Image.Image:
        functional = torchvision.transforms.functional
        p = self.preprocessing
        digest = hashlib.sha256(f"{self.seed} {number} {fingerprint}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "little"))
        box = random_box(image.width, image.height, self.crop_scale, generator)
        flip = torch.rand((), generator=generator) < 0.5
        crop = functional.resized_crop(image, *box, list(p.height_width), p.filter)
        return functional.hflip(crop) if flip else crop


@dataclass(frozen=True)
class AugmentedViews(Views):
    """The plain view of a test image, then random crops of it, for methods at test time."""

    plain: EvaluationView
    crops: TrainingViews

    @property
    def count(self) -> int:
        """Views of an image."""
        return 1 + self.crops.count

    @property
    def identity(self) -> str:
        """What the features depend on, besides image and weights."""
        return f"{self.plain.identity}, then {self.crops.identity}"

    def levels(self, source: Path | BinaryIO, fingerprint: str) -> Tensor:
        """Return levels `[count, size, size, 3]` of an image file, or of its bytes."""
        views = (self.plain, self.crops)
        return torch.cat([each.levels(source, fingerprint) for each in views])

    @property
    def preprocessing(self) -> Preprocessing:
        """What normalises both."""
        return self.plain.preprocessing


def random_box(
    width: int, height: int, scale: tuple[float, float], generator: torch.Generator
) -> tuple[int, int, int, int]:
    """Draw top, left, height and width of a crop as torchvision's `RandomResizedCrop` does.

    torchvision draws from PyTorch's global generator, which any other thread may be using too.
    """

    def uniform(low: float, high: float) -> Tensor:
        return torch.empty(1).uniform_(low, high, generator=generator)

    logs = torch.log(torch.tensor(_RATIOS))
    for _ in range(_TRIES):
        area = width * height * uniform(*scale).item()
        ratio = torch.exp(uniform(logs[0].item(), logs[1].item())).item()
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            top = torch.randint(0, height - h + 1, (1,), generator=generator).item()
            left = torch.randint(0, width - w + 1, (1,), generator=generator).item()
            return int(top), int(left), h, w
    narrow, wide = _RATIOS
    w = min(width, round(height * wide))
    h = min(height, round(width / narrow))
    return (height - h) // 2, (width - w) // 2, h, w


def _levels(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image))


def _named(decoding: Decoding) -> str:
    """Write the decoding as part of an identity, with the margin, which decides on pixels."""
    return "" if decoding == "published" else f" {decoding} margin {MARGIN}"
