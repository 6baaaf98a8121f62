"""From an image file to what the image tower reads: the test view and random training crops."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from vlprompt_pipeline.clip._open_clip import open_clip, torchvision
from vlprompt_pipeline.clip.backbone import Preprocessing
from vlprompt_pipeline.errors import DataError

_RANDOM = threading.Lock()  # torchvision draws crops from torch's global generator


@dataclass(frozen=True)
class EvaluationView:
    """Short side resized, centre cropped, normalised: one view of an image."""

    preprocessing: Preprocessing
    count: int = 1

    @property
    def identity(self) -> str:
        """What the features depend on, besides image and weights."""
        return f"test {self.preprocessing}"

    def pixels(self, path: Path, fingerprint: str) -> Tensor:
        """`[1, 3, size, size]` of the image at `path`."""
        p = self.preprocessing
        transform = open_clip.image_transform(
            p.size,
            is_train=False,
            mean=p.mean,
            std=p.std,
            interpolation=p.interpolation,
            resize_mode="shortest",
        )
        return transform(_read(path))[None]


@dataclass(frozen=True)
class TrainingViews:
    """Random resized crops with random flips, the published augmentation (methods: Dassl defaults).

    A crop depends on (seed, image, view number) alone, so that neither threads nor the order of
    work change it. `first` numbers the views: an online loop asks for new ones in each step.
    """

    preprocessing: Preprocessing
    seed: int
    count: int
    crop_scale: tuple[float, float]
    first: int = 0

    @property
    def identity(self) -> str:
        """What the features depend on, besides image and weights."""
        return f"crops {self.preprocessing} {self.seed} {self.first}+{self.count} {self.crop_scale}"

    def pixels(self, path: Path, fingerprint: str) -> Tensor:
        """`[count, 3, size, size]` crops of the image at `path`."""
        image = _read(path)
        numbers = range(self.first, self.first + self.count)
        return torch.stack([self._view(image, fingerprint, number) for number in numbers])

    def _view(self, image: Image.Image, fingerprint: str, number: int) -> Tensor:
        functional = torchvision.transforms.functional
        p = self.preprocessing
        digest = hashlib.sha256(f"{self.seed} {number} {fingerprint}".encode()).digest()
        with _RANDOM, torch.random.fork_rng(devices=[]):
            torch.manual_seed(int.from_bytes(digest[:8], "little"))
            box = torchvision.transforms.RandomResizedCrop.get_params(
                image, list(self.crop_scale), [3 / 4, 4 / 3]
            )
            flip = torch.rand(()) < 0.5
        mode = torchvision.transforms.InterpolationMode(p.interpolation)
        crop = functional.resized_crop(image, *box, [p.size, p.size], mode)
        crop = functional.hflip(crop) if flip else crop
        return functional.normalize(functional.to_tensor(crop), p.mean, p.std)


def _read(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(
            f"cannot read {path} ({error}): replace the file or remove it from the set"
        ) from error
