"""MMA: adapters in the upper blocks of both towers, joined by a map (Yang et al., CVPR 2024).

At block i, y = scale · up(relu(shared(relu(down(ln_1(x)))))) is added to what the block gives;
`shared` is one map for both towers. Details follow ZjjConan/Multi-Modal-Adapter,
trainers/mmadapter.py and clip/gsl.py: the scale is undone in the backward pass, so that adapters
get the gradient they would have with a scale of 1, while what passes through them to earlier blocks
keeps it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from pydantic import Field
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.clip.templates import named
from vlprompt_pipeline.config import Template
from vlprompt_pipeline.methods.changed_images import ChangedImages, PixelLearner
from vlprompt_pipeline.methods.registry import Method, register
from vlprompt_pipeline.methods.walked_text import WalkedTexts
from vlprompt_pipeline.methods.walked_towers import Passing, WalkedImages, blocks_from
from vlprompt_pipeline.parsing import Parameters

Keep = Callable[[Tensor], Tensor]
"""Drops hidden values of an adapter, in training."""


class AdapterParameters(Parameters):
    """`width` of the adapters, and the first block of each tower that has one, counted from 0."""

    width: int = Field(ge=1)
    first_block: int = Field(ge=0)


class MMAParameters(AdapterParameters):
    """Those of the adapters, their `scale` and the `template` (published: the same everywhere)."""

    scale: float = Field(gt=0)
    template: Template


class Adapters(nn.Module):
    """Adapters of blocks `first`, `first` + 1, … of both towers."""

    def __init__(
        self, clip: FrozenClip, parameters: AdapterParameters, generator: Generator
    ) -> None:
        """Weights normal with variance 2 / outputs (Kaiming, fan-out), biases zero.

        Raises ConfigError if no block is left for them, or the towers are of another kind.
        """
        super().__init__()
        count = blocks_from(parameters.first_block, clip)
        self.first = parameters.first_block
        inner = parameters.width

        def layers(inputs: int, outputs: int) -> nn.ModuleList:
            return nn.ModuleList(_kaiming(inputs, outputs, generator) for _ in range(count))

        text, image = clip.text_width, clip.image.width
        self.text_down, self.text_up = layers(text, inner), layers(inner, text)
        self.image_down, self.image_up = layers(image, inner), layers(inner, image)
        self.shared = layers(inner, inner)
        self.to(clip.device)

    def output(
        self, tower: str, depth: int, x: Tensor, keep: Keep | None = None, frozen: bool = False
    ) -> Tensor:
        """Return up(relu(shared(relu(down(x))))) at a block that has an adapter.

        `keep` drops hidden values; `frozen` lets no gradient reach the adapter's own tensors.
        """
        number = depth - self.first
        down, up = (getattr(self, f"{tower}_{part}")[number] for part in ("down", "up"))
        hidden = F.relu(_linear(down, x, frozen))
        hidden = F.relu(_linear(self.shared[number], hidden, frozen))
        return _linear(up, hidden if keep is None else keep(hidden), frozen)

    def has(self, depth: int) -> bool:
        """Tell whether a block has an adapter."""
        return 0 <= depth - self.first < len(self.shared)


class AdaptedTowers(PixelLearner):
    """Both towers with `adapters`, whose output counts `scale` times in predictions."""

    contexts = ()
    adapters: Adapters
    scale: float

    def image_side(self) -> ChangedImages:
        """Return the CLIP with adapters in its image tower."""
        tensors = [p for n, p in sorted(self.adapters.state_dict().items()) if "text" not in n]
        return ChangedImages(self.clip, f"mma {self.scale}", tensors, self._encode)

    def _encode(self, pixels: Tensor) -> Tensor:
        """Return normalised features, as predictions see them."""
        raise NotImplementedError

    def _begin(self, pixels: Tensor) -> WalkedImages:
        """Take pixels to the first block that has an adapter."""
        return WalkedImages.begin(self.clip, pixels, self.adapters.first)


class MMA(AdaptedTowers):
    """Adapters whose scale is undone in their own gradient."""

    settings: MMAParameters

    def build(self, clip: FrozenClip, generator: Generator) -> None:
        """Raise ConfigError if the towers are of another kind, DataError for a name too long."""
        self.adapters = Adapters(clip, self.settings, generator)
        self.scale = self.settings.scale
        texts = [named(self.settings.template, name) for name in self.classes.names]
        self.texts = WalkedTexts(clip, texts, unchanged=self.settings.first_block)

    def class_features(self) -> Tensor:
        """Return normalised text feature of each class, `[classes, embed]`."""
        return self.texts.features(self.clip, partial(self._step, "text"))

    def _encode(self, pixels: Tensor) -> Tensor:
        return self._begin(pixels).features(partial(self._step, "image"))[0]

    def _step(self, tower: str, depth: int, passing: Passing) -> Tensor:
        out = passing.run()
        if not self.adapters.has(depth):
            return out
        normed = passing.normed()
        through = self.scale * self.adapters.output(tower, depth, normed, frozen=True)
        adapted = self.adapters.output(tower, depth, normed.detach())
        gradient = adapted - adapted.detach()  # zeros, with their gradient without the scale
        return out + through + gradient


def _kaiming(inputs: int, outputs: int, generator: Generator) -> nn.Linear:
    layer = nn.utils.skip_init(nn.Linear, inputs, outputs)
    with torch.no_grad():
        layer.weight.normal_(0, math.sqrt(2 / outputs), generator=generator)
        layer.bias.zero_()
    return layer


def _linear(layer: nn.Linear, x: Tensor, frozen: bool) -> Tensor:
    weight, bias = layer.weight.to(x.dtype), layer.bias.to(x.dtype)
    return F.linear(x, weight.detach(), bias.detach()) if frozen else F.linear(x, weight, bias)


register(Method("mma", MMAParameters, MMA))
