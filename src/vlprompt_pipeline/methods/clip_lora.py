"""CLIP-LoRA: low-rank changes of the attention of both towers (Zanella & Ben Ayed, CVPRW 2024).

Queries, keys and values of every block become (W + s B A) x with A `[rank, width]`, B `[width,
rank]`, zero at first, and s = alpha / sqrt(rank). Details follow MaxZanella/CLIP-LoRA, loralib.
There dropout falls on each token's input of A; here, on the inputs of A for all tokens of a step
alike (our choice): the change can then be added to the weights, and the towers keep their
shortcuts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from pydantic import Field
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.clip.templates import named
from vlprompt_pipeline.config import Template
from vlprompt_pipeline.methods.changed_images import ChangedImages, PixelLearner
from vlprompt_pipeline.methods.networks import kaiming_uniform
from vlprompt_pipeline.methods.registry import Method, register
from vlprompt_pipeline.parametrizations.draws import Draws
from vlprompt_pipeline.parsing import Parameters, is_none

PARTS = 3  # queries, keys, values


class ClipLoraParameters(Parameters):
    """The change of the weights.

    Attributes:
        rank: inner size of the product (published: 2).
        alpha: its factor, before the root of the rank (published: 1).
        dropout: of the inputs of A (published: 0.25).
        template: of the texts (published: one for every dataset), or none for the dataset's own.
    """

    rank: int = Field(ge=1)
    alpha: float = Field(gt=0)
    dropout: float = Field(ge=0, lt=1)
    template: Template | None = Field(default=None, exclude_if=is_none)


class ClipLora(PixelLearner):
    """`text_a`, `text_b`, `image_a`, `image_b`: for each block, A or B of its three parts."""

    contexts = ()
    settings: ClipLoraParameters

    def build(self, clip: FrozenClip, generator: Generator) -> None:
        """Raise ConfigError if a tower is of another kind, DataError for a name too long."""
        clip.require_attention_weights()
        shapes = {"text": clip.text_width, "image": clip.image.width}
        for tower, width in shapes.items():
            count, shape = len(getattr(clip, tower).blocks), (PARTS, self.settings.rank, width)
            first = [kaiming_uniform(shape, generator) for _ in range(count)]
            zeros = [torch.zeros(PARTS, width, self.settings.rank) for _ in range(count)]
            setattr(self, f"{tower}_a", nn.ParameterList(each.to(clip.device) for each in first))
            setattr(self, f"{tower}_b", nn.ParameterList(each.to(clip.device) for each in zeros))
        self.draws = Draws(generator)
        template = self.settings.template or self.classes.template
        texts = [named(template, name) for name in self.classes.names]
        clip.words.warn_unseen(texts)
        self.prompts = clip.prompts(texts)

    def class_features(self) -> Tensor:
        """Return normalised text feature of each class, `[classes, embed]`."""
        tower = self.clip.text.with_attention(tuple(self._weights("text")))
        return F.normalize(tower(self.prompts)[0], dim=-1)

    def image_side(self) -> ChangedImages:
        """Return the CLIP with the changed image tower."""
        weights = tuple(self._weights("image"))
        tower = self.clip.image.with_attention(weights)
        return ChangedImages(
            self.clip, "attention", weights, lambda pixels: F.normalize(tower(pixels), dim=-1)
        )

    def _weights(self, tower: str) -> Iterator[Tensor]:
        """Yield weights `[3 width, width]` of the queries, keys and values of each block."""
        scale = self.settings.alpha / math.sqrt(self.settings.rank)
        factors = zip(getattr(self, f"{tower}_a"), getattr(self, f"{tower}_b"), strict=True)
        weights = getattr(self.clip, tower).attention_weights()
        for weight, (a, b) in zip(weights, factors, strict=True):
            inputs = (PARTS, 1, a.shape[-1])  # dropped for all ranks together
            change = scale * b @ self.draws.dropout(a, self.settings.dropout, inputs)
            yield weight + change.flatten(0, 1).to(weight.dtype)


register(Method("clip_lora", ClipLoraParameters, ClipLora))
