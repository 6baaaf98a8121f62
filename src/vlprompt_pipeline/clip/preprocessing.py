"""What happens to a decoded image before the image tower, as the CLIP was trained.

Pixels equal, bit for bit, those of `open_clip.image_transform` for CLIPs of open_clip, and those of
the image processor that works with Pillow for folders of Hugging Face transformers. Both resize
alike; they round the place of a centre crop, and the last bit of a normalised value, differently.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vlprompt_pipeline.clip.lazy_libraries import open_clip, torchvision
from vlprompt_pipeline.errors import WeightsError

RESIZE_MODES = ("shortest", "squash", "longest")
# a transform's last steps, which `normalised` does in their place
_AFTER_GEOMETRY = ("MaybeConvertMode", "MaybeToTensor", "Normalize")


@dataclass(frozen=True)
class Preprocessing:
    """From an RGB image to the pixels of the tower.

    Attributes:
        size: of the pixels: one side of a square, or height and width.
        mean, std: of each channel, of values from 0 to 1.
        interpolation: `bicubic` or `bilinear`.
        resize_mode: `shortest` resizes the short side and crops the centre, `squash` resizes both
            sides, `longest` resizes the long side and pads with `fill_color`.
        fill_color: grey level of the padding, 0 to 255.
        library: whose rounding: `open_clip`, or `transformers` (of its processors with Pillow).
    """

    size: int | tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str = "bicubic"
    resize_mode: str = "shortest"
    fill_color: int = 0
    library: Literal["open_clip", "transformers"] = "open_clip"

    @property
    def height_width(self) -> tuple[int, int]:
        """Height and width of the pixels."""
        return (self.size, self.size) if isinstance(self.size, int) else self.size

    @classmethod
    def of_open_clip(cls, config: Mapping[str, Any], size: Any, where: str) -> Preprocessing:
        """Return preprocessing of a `preprocess_cfg` of open_clip, for an image tower of this size.

        Keys that are absent or null have open_clip's defaults; a mean or std of one number holds
        for all channels. One key beside open_clip's own, `library`, says whose rounding holds.
        `where` the configuration stands is named in messages.

        Raises:
            WeightsError: a value that open_clip does not know.
        """
        if config.get("mode") not in (None, "RGB"):
            raise WeightsError(
                f"{where}: preprocess_cfg.mode is {config['mode']!r}; RGB alone works"
            )
        return cls(
            size=_size(size),
            mean=_channels(config.get("mean"), open_clip.OPENAI_DATASET_MEAN, "mean", where),
            std=_channels(config.get("std"), open_clip.OPENAI_DATASET_STD, "std", where),
            interpolation=_choice(config, "interpolation", ("bicubic", "bilinear"), where),
            resize_mode=_choice(config, "resize_mode", RESIZE_MODES, where),
            fill_color=config.get("fill_color") or 0,
            library=_choice(config, "library", ("open_clip", "transformers"), where),
        )

    def resized(self, image: Image.Image) -> Image.Image:
        """Return the image in the size of the tower."""
        if self.library == "transformers" and self.resize_mode == "shortest":
            functional = torchvision.transforms.functional
            resized = functional.resize(image, min(self.height_width), self.filter)
            return _crop_rounded_down(resized, *self.height_width)
        return _geometry(self)(image)

    def normalised(self, levels: Tensor) -> Tensor:
        """Return pixels `[…, 3, height, width]` in float32 of levels `[…, height, width, 3]`.

        They are looked up, level by level, where the levels are: these are of 8 bits, so that a
        quarter of the bytes go to a device.
        """
        if levels.device.type == "cpu":
            # by numpy: torch would start threads in every thread that decodes, against the tower
            table, values = _levels(self), levels.numpy()
            host = [table[channel].take(values[..., channel]) for channel in range(3)]
            return torch.from_numpy(np.stack(host, axis=-3))
        table, shape = _levels_on(self, levels.device), levels.shape[:-1]
        channels = [
            of_channel.index_select(0, level.flatten().int()).view(shape)
            for of_channel, level in zip(table, levels.unbind(-1), strict=True)
        ]
        return torch.stack(channels, dim=-3)

    @property
    def filter(self) -> torchvision.transforms.InterpolationMode:
        """The interpolation, as torchvision names it."""
        return torchvision.transforms.InterpolationMode(self.interpolation)


@lru_cache
def _geometry(p: Preprocessing) -> torchvision.transforms.Compose:
    """Return open_clip's own transform without its arithmetic."""
    whole = open_clip.image_transform(
        p.size,
        is_train=False,
        interpolation=p.interpolation,
        resize_mode=p.resize_mode,
        fill_color=p.fill_color,
    )
    steps = [step for step in whole.transforms if type(step).__name__ not in _AFTER_GEOMETRY]
    return torchvision.transforms.Compose(steps)


def _crop_rounded_down(image: Image.Image, height: int, width: int) -> Image.Image:
    """Crop the centre, its offset rounded down; black where the image is too small."""
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


@lru_cache
def _levels(p: Preprocessing) -> np.ndarray:
    """Return `[3, 256]`: what each level of each channel is normalised to."""
    if p.library == "transformers":
        scaled = (np.arange(256, dtype=np.float64) * (1 / 255)).astype(np.float32)
        mean, std = (np.array(each, np.float32)[:, None] for each in (p.mean, p.std))
        return (scaled - mean) / std
    functional = torchvision.transforms.functional
    ramp = np.arange(256, dtype=np.uint8)[None, :, None].repeat(3, axis=2)
    return functional.normalize(functional.to_tensor(ramp), p.mean, p.std)[:, 0].numpy()


@lru_cache
def _levels_on(p: Preprocessing, device: torch.device) -> Tensor:
    return torch.from_numpy(_levels(p)).to(device)


def _size(size: Any) -> int | tuple[int, int]:
    if isinstance(size, int):
        return size
    height, width = size
    return height if height == width else (height, width)


def _channels(value: Any, default: tuple, key: str, where: str) -> tuple[float, float, float]:
    value = value or default  # open_clip takes a plain 0 for none, too
    values = tuple(value) if isinstance(value, list | tuple) else (value,) * 3
    if len(values) != 3 or not all(isinstance(each, int | float) for each in values):
        raise WeightsError(f"{where}: preprocess_cfg.{key} is {value!r}; give three numbers or one")
    if key == "std" and min(values) <= 0:
        raise WeightsError(f"{where}: preprocess_cfg.std is {value!r}; give numbers above 0")
    return tuple(map(float, values))


def _choice(config: Mapping[str, Any], key: str, allowed: tuple[str, ...], where: str) -> str:
    value = config.get(key) or allowed[0]
    if key == "interpolation" and value == "random":  # of training crops; open_clip's test is then
        return "bicubic"
    if value not in allowed:
        raise WeightsError(
            f"{where}: preprocess_cfg.{key} is {value!r}; allowed: {', '.join(allowed)}"
        )
    return value
