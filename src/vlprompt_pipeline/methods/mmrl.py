"""MMRL: representation tokens in both towers, and a second head that reads them (Guo & Gu, 2025).

K tokens of a joint matrix are mapped into the prompted blocks of both towers, behind the start and
the class token; they enter at the first of these blocks and take their places at the later ones.
Logits of the class token z_c and of the mean representation token z_r are fused: α z_c + (1 - α)
z_r for the classes of training, z_c alone for new classes. Loss = α CE(z_c) + (1 - α) CE(z_r) +
weight · (2 - mean cos(v, v₀) - mean cos(t, t₀)), with v₀, t₀ of the frozen CLIP. Details follow
yunncheng/MMRL, trainers/mmrl.py (CVPR 2025), where the scale of the logits is 100 and here CLIP's,
and where z_c alone serves other datasets, whatever their names; here names decide.
"""

from __future__ import annotations

import copy
import math
from functools import cached_property

import torch
from pydantic import Field
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.clip.templates import named
from vlprompt_pipeline.methods.changed_images import ChangedImages, PixelLearner
from vlprompt_pipeline.methods.context import INITIAL_STD
from vlprompt_pipeline.methods.known_names import hashed_names, rows_of
from vlprompt_pipeline.methods.networks import linear
from vlprompt_pipeline.methods.registry import Method, register
from vlprompt_pipeline.methods.walked_text import WalkedTexts
from vlprompt_pipeline.methods.walked_towers import Enter, WalkedImages, blocks_from
from vlprompt_pipeline.parsing import Parameters


class MMRLParameters(Parameters):
    """Tokens, heads and what holds the features.

    Attributes:
        tokens: number K of representation tokens.
        width: of a token in the joint matrix.
        first_block: the first that is prompted, counted from 0; so are those behind it, as many as
            both towers have.
        alpha: share of the class token's head.
        weight: of the distance to the frozen CLIP.
    """

    tokens: int = Field(ge=1)
    width: int = Field(ge=1)
    first_block: int = Field(ge=0)
    alpha: float = Field(ge=0, le=1)
    weight: float = Field(ge=0)


class MMRL(PixelLearner):
    """`tokens` `[K, width]`, maps `to_text` and `to_image` by block, and a `projection`.

    Image features are those of both heads, `[images, 2 embed]`. `names` are those of training.
    """

    contexts = ()
    grows = exact = ("names",)
    constants = ("class_features", "trained_classes")
    settings: MMRLParameters

    def build(self, clip: FrozenClip, generator: Generator) -> None:
        """Raise ConfigError if the towers are of another kind, DataError for a name too long."""
        self.count = blocks_from(self.settings.first_block, clip)
        drawn = torch.randn(self.settings.tokens, self.settings.width, generator=generator)
        self.tokens = nn.Parameter(INITIAL_STD * drawn)
        self._add_maps(generator)
        self.names = nn.Parameter(hashed_names(self.classes.names), requires_grad=False)
        self.to(clip.device)
        self.sentences = [named(self.classes.template, name) for name in self.classes.names]
        self.texts = WalkedTexts(
            clip, self.sentences, inserted=self.settings.tokens, unchanged=self.settings.first_block
        )

    @property
    def image_width(self) -> int:
        """Both heads."""
        return 2 * self.clip.embed_dim

    @cached_property
    def frozen_texts(self) -> Tensor:
        """The frozen CLIP's text features, `[classes, embed]`."""
        return self.clip.encode_texts(self.sentences)

    def class_features(self) -> Tensor:
        """Return normalised text feature of each class, `[classes, embed]`."""
        return self.texts.features(self.clip, enter=self._entering("text"))

    def image_side(self) -> ChangedImages:
        """Return the CLIP with tokens in its image tower, and both heads."""
        state = {n: t for n, t in self.prompt_tensors().items() if "text" not in n and n != "names"}
        settings = f"{type(self).__name__} {self.settings}"
        return ChangedImages(self.clip, settings, [state[n] for n in sorted(state)], self._encode)

    def logits(self, image_features: Tensor) -> Tensor:
        """Return `[images, classes]` from features of both heads `[images, 2 embed]`."""
        class_logits, representation = self.head_logits(image_features)
        alpha = self.settings.alpha
        fused = alpha * class_logits + (1 - alpha) * representation
        return torch.where(self.trained_classes(), fused, class_logits)

    def trained_classes(self) -> Tensor:
        """Tell which classes are of training, `[classes]`."""
        rows = rows_of(self.classes.names, self.names)
        return torch.tensor([row is not None for row in rows], device=self.names.device)

    def head_logits(self, image_features: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits `[images, classes]` of the class token and of representation tokens."""
        texts = self.class_features()
        class_features, representation = image_features.chunk(2, dim=-1)
        scale = self.clip.logit_scale
        return scale * class_features @ texts.T, scale * representation @ texts.T

    def losses(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return cross-entropies of both heads and distances to the frozen CLIP, from pixels."""
        alpha, weight = self.settings.alpha, self.settings.weight
        texts, scale = self.class_features(), self.clip.logit_scale
        begun = WalkedImages.begin(self.clip, images, self.settings.first_block)
        class_features, representation = self._heads(begun)
        with torch.no_grad():
            frozen = begun.features()[0]
        text_cosine = (texts * self.frozen_texts).sum(-1).mean()
        return {
            "class": alpha * F.cross_entropy(scale * class_features @ texts.T, labels),
            "representation": (1 - alpha)
            * F.cross_entropy(scale * representation @ texts.T, labels),
            "image": weight * (1 - (class_features * frozen).sum(-1).mean()),
            "text": weight * (1 - text_cosine),
        }

    def mapped(self, tower: str, number: int) -> Tensor:
        """Return tokens `[K, tower width]` of a prompted block."""
        return getattr(self, f"to_{tower}")[number](self.tokens)

    def project(self, means: Tensor) -> Tensor:
        """Map mean representation tokens `[images, image width]` into the joint space."""
        return means @ self.projection

    def _add_maps(self, generator: Generator) -> None:
        width = self.settings.width
        for tower, out in (("text", self.clip.text_width), ("image", self.clip.image.width)):
            first = linear(width, out, generator)
            maps = nn.ModuleList(copy.deepcopy(first) for _ in range(self.count))
            setattr(self, f"to_{tower}", maps)
        rows = self.clip.image.width
        drawn = torch.randn(rows, self.clip.embed_dim, generator=generator)
        self.projection = nn.Parameter(drawn / math.sqrt(rows))

    def _later_tokens(self, mapped: Tensor, arrived: Tensor) -> Tensor:
        """Return what takes the place of tokens that arrived at a later block."""
        return mapped

    def _entering(self, tower: str) -> Enter:
        """Put tokens behind the first one: inserted at the first prompted block, then replaced."""
        first, count = self.settings.first_block, self.settings.tokens
        mapped = [self.mapped(tower, number) for number in range(self.count)]

        def enter(depth: int, x: Tensor, start: int) -> Tensor:
            if not first <= depth < first + len(mapped):
                return x
            tokens = mapped[depth - first].to(x.dtype).expand(*x.shape[:-2], -1, -1)
            rest = x[..., start if depth == first else start + count :, :]
            if depth > first:
                tokens = self._later_tokens(tokens, x[..., start : start + count, :])
            return torch.cat([x[..., :start, :], tokens, rest], dim=-2)

        return enter

    def _heads(self, images: WalkedImages) -> tuple[Tensor, Tensor]:
        """Return normalised features of the class token and of the representation tokens."""
        class_features, tokens = images.features(
            enter=self._entering("image"), inserted=self.settings.tokens
        )
        return class_features, F.normalize(
            self.project(tokens.mean(1).to(self.tokens.dtype)), dim=-1
        )

    def _encode(self, pixels: Tensor) -> Tensor:
        first = self.settings.first_block
        return torch.cat(self._heads(WalkedImages.begin(self.clip, pixels, first)), dim=-1)


register(Method("mmrl", MMRLParameters, MMRL))
