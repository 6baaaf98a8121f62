"""Tip-Adapter: the few-shot images as a memory beside zero-shot CLIP (Zhang et al., ECCV 2022).

logits = zero-shot + α · sum over the class's images k of exp(-β (1 - f · k)). `tip_adapter` trains
nothing; `tip_adapter_f` trains the stored images. Both choose α and β on validation images at the
end. Details follow gaopengcuhk/Tip-Adapter, main.py, but for three things. There the epoch of
Tip-Adapter-F with the highest accuracy on the test set is reported; here it is the last one. There
α and β are searched on the whole validation part (in main_imagenet.py on the test set); here on
the few-shot set's validation images, four a class at most. There all classes have as many images;
here a class with fewer leaves places of the memory empty.
"""

from __future__ import annotations

import logging
from types import MappingProxyType

import torch
from pydantic import Field
from torch import Generator, Tensor, nn

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.methods.inputs import FewShotFeatures
from vlprompt_pipeline.methods.registry import Method, always, register
from vlprompt_pipeline.methods.texts import FixedTexts, TextParameters
from vlprompt_pipeline.parsing import Parameters

logger = logging.getLogger(__name__)

SMALLEST = 0.1  # value of both searches


class Strength(Parameters):
    """A factor: its value while training, and `steps` values from 0.1 to below `to` to try."""

    initial: float = Field(gt=0)
    to: float = Field(gt=SMALLEST)
    steps: int = Field(ge=1)

    def values(self) -> list[float]:
        """Return the values to try, ascending."""
        return [SMALLEST + i * (self.to - SMALLEST) / self.steps for i in range(self.steps)]


class TipAdapterParameters(TextParameters):
    """`alpha` weighs the memory, `beta` is its sharpness; `templates` are zero-shot CLIP's."""

    alpha: Strength
    beta: Strength


class TipAdapter(FixedTexts):
    """`images` `[classes, shots, embed]`, and `strengths` (α, β).

    Where classes have different numbers of images, `counts` `[classes]` says how many each has, and
    the places behind them are empty.
    """

    fitted = True
    trained = False
    texts_decide = False
    grows = ("images", "counts")
    exact = ("strengths", "counts")
    classifiers = ("images",)
    former_names = MappingProxyType({"keys": "images"})
    settings: TipAdapterParameters

    def build(self, clip: FrozenClip, generator: Generator) -> None:
        """Raise ConfigError for an unknown template set, DataError for a name too long."""
        super().build(clip, generator)
        nothing = self.texts.new_zeros(len(self.texts), 0, clip.embed_dim)
        self.images = nn.Parameter(nothing, requires_grad=self.trained)
        self.register_parameter("counts", None)
        strengths = self.texts.new_tensor([self.settings.alpha.initial, self.settings.beta.initial])
        self.strengths = nn.Parameter(strengths, requires_grad=False)

    def logits(self, image_features: Tensor) -> Tensor:
        """Return `[images, classes]`: zero-shot CLIP's and the memory's."""
        alpha, beta = self.strengths
        recalled = self._recall(self._affinity(image_features), beta)
        return super().logits(image_features) + alpha * recalled

    def fit(self, few_shot: FewShotFeatures) -> list[dict]:
        """Remember the images by class."""
        counts = few_shot.labels.bincount(minlength=len(self.texts))
        by_class = few_shot.images[few_shot.labels.argsort(stable=True)].split(counts.tolist())
        self.put("images", nn.utils.rnn.pad_sequence(by_class, batch_first=True))
        if len(counts.unique()) > 1:
            self.put("counts", counts.to(self.texts))
        return []

    @torch.no_grad()
    def settle(self, few_shot: FewShotFeatures) -> None:
        """Choose the first (β, α), both ascending, with the most right answers in validation."""
        images = few_shot.validation
        if not len(few_shot.validation_labels):
            logger.warning("no validation images: α and β of Tip-Adapter stay as they are")
            return
        zero_shot, affinity, most = super().logits(images), self._affinity(images), -1
        for beta in self.settings.beta.values():
            recalled = self._recall(affinity, beta)
            for alpha in self.settings.alpha.values():
                right = few_shot.right_answers(zero_shot + alpha * recalled)
                if right > most:
                    most, best = right, (alpha, beta)
        self.strengths.copy_(self.strengths.new_tensor(best))

    def _affinity(self, image_features: Tensor) -> Tensor:
        """Return cosines with the stored images, `[images, classes, shots]`."""
        return torch.einsum("ie,cke->ick", image_features, self.images)

    def _recall(self, affinity: Tensor, beta: Tensor | float) -> Tensor:
        """Return what the memory adds for each class, `[images, classes]`."""
        remembered = torch.exp(beta * (affinity - 1))
        if self.counts is not None:
            rows = torch.arange(remembered.shape[-1], device=remembered.device)
            remembered = remembered.masked_fill(rows >= self.counts[:, None], 0.0)
        return remembered.sum(-1)


class TipAdapterF(TipAdapter):
    """The same with trained images."""

    trained = True


register(Method("tip_adapter", TipAdapterParameters, TipAdapter, always))
register(Method("tip_adapter_f", TipAdapterParameters, TipAdapterF, always))
