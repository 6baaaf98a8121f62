"""MMA++: MMA held near a weaker copy of itself, with sentences about the classes (IJCV 2025).

Loss = cross-entropy - consistency · (mean cos(t, t') + mean cos(v, v')), with t', v' from the same
inputs at a scale drawn between 0 and the training scale, without gradient. Training reads one text
of each class, drawn in every step; evaluation the mean of all, at a scale of its own. Details
follow ZjjConan/VLM-MMApp, trainers/mmadapter_pp.py; there evaluating changes the scale of what is
trained on, here it does not. Adapters are MMA's, without its rule for the gradient.
"""

from __future__ import annotations

import math
from functools import partial

import torch
from pydantic import Field
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.methods.mma import AdaptedTowers, AdapterParameters, Adapters, Keep
from vlprompt_pipeline.methods.registry import Method, register
from vlprompt_pipeline.methods.texts import AT_ONCE, TextParameters, class_texts
from vlprompt_pipeline.methods.walked_text import WalkedTexts
from vlprompt_pipeline.methods.walked_towers import Passing, WalkedImages
from vlprompt_pipeline.parametrizations.draws import Draws


class MMAPlusPlusParameters(AdapterParameters, TextParameters):
    """Adapters, texts and what holds them.

    Attributes:
        scale: of the adapters' output in training.
        evaluation_scale: when predicting.
        consistency: weight of both cosines.
        dropout: of the values behind the shared map.
    """

    scale: float = Field(gt=0)
    evaluation_scale: float = Field(gt=0)
    consistency: float = Field(ge=0)
    dropout: float = Field(ge=0, lt=1)


class MMAPlusPlus(AdaptedTowers):
    """Adapters with another scale in predictions than in training."""

    not_capturable = "each step draws other texts, which have other lengths"
    settings: MMAPlusPlusParameters

    def build(self, clip: FrozenClip, generator: Generator) -> None:
        """Raise ConfigError or DataError if towers, texts or names do not fit."""
        self.adapters = Adapters(clip, self.settings, generator)
        self.scale = self.settings.evaluation_scale
        with torch.no_grad():
            for layer in (each for each in self.adapters.modules() if isinstance(each, nn.Linear)):
                bound = 1 / math.sqrt(layer.in_features)
                drawn = torch.rand(layer.bias.shape, generator=generator)
                layer.bias.copy_(bound * (2 * drawn - 1))
        self.draws = Draws(generator)
        texts = class_texts(self.classes, self.settings)
        self.counts = [len(of_class) for of_class in texts]
        flat = [text for of_class in texts for text in of_class]
        cut = self.settings.descriptions is not None
        self.texts = WalkedTexts(clip, flat, cut=cut)

    def class_features(self) -> Tensor:
        """Return normalised mean over the texts of each class, `[classes, embed]`."""
        parts = torch.arange(sum(self.counts)).split(AT_ONCE)
        features = torch.cat([self._text(rows, self.scale) for rows in parts])
        by_class = features.split(self.counts)
        return F.normalize(torch.stack([of_class.mean(0) for of_class in by_class]), dim=-1)

    def losses(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return cross-entropy and both consistencies, from pixels `[images, 3, size, size]`."""
        scale, weight = self.settings.scale, self.settings.consistency
        firsts = torch.tensor([0, *self.counts[:-1]]).cumsum(0)
        rows = firsts + self.draw_texts()
        weaker = scale * self.draw_scale()
        keep = partial(self.draws.dropout, probability=self.settings.dropout)
        texts = self._text(rows, scale, keep)
        begun = self._begin(images)
        pictures = self._image(begun, scale, keep)
        with torch.no_grad():
            weak_texts = self._text(rows, weaker, keep)
            weak_pictures = self._image(begun, weaker, keep)
        logits = self.clip.logit_scale * pictures @ texts.T
        return {
            "cross_entropy": F.cross_entropy(logits, labels),
            "text": -weight * (texts * weak_texts).sum(-1).mean(),
            "image": -weight * (pictures * weak_pictures).sum(-1).mean(),
        }

    def draw_texts(self) -> Tensor:
        """Draw which text of each class a step reads, `[classes]`."""
        counts = torch.tensor(self.counts)
        drawn = self.draws.uniform((len(counts),), torch.zeros(()))
        return (drawn * counts).long()

    def draw_scale(self) -> float:
        """Draw which share of the training scale the weaker pass has."""
        return self.draws.uniform((1,), torch.zeros(())).item()

    def _encode(self, pixels: Tensor) -> Tensor:
        return self._image(self._begin(pixels), self.scale)

    def _text(self, rows: Tensor, scale: float, keep: Keep | None = None) -> Tensor:
        return self.texts.features(self.clip, partial(self._step, "text", scale, keep), rows=rows)

    def _image(self, images: WalkedImages, scale: float, keep: Keep | None = None) -> Tensor:
        return images.features(partial(self._step, "image", scale, keep))[0]

    def _step(
        self, tower: str, scale: float, keep: Keep | None, depth: int, passing: Passing
    ) -> Tensor:
        out = passing.run()
        if not self.adapters.has(depth):
            return out
        return out + scale * self.adapters.output(tower, depth, passing.normed(), keep)


register(Method("mma_plus_plus", MMAPlusPlusParameters, MMAPlusPlus))
