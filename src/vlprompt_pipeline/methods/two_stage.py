"""2SFS: first the LayerNorms of both towers, then a classifier (Farina et al., CVPR 2025).

Stage 1 trains weights and biases of ln_1 and ln_2 of every block by cross-entropy with the texts of
the classes. Stage 2 trains rows of a classifier, which start at the tuned text features, on the
images of the tuned tower. New classes have the tuned tower's text features in place of a row.
Details follow FarinaMatteo/rethinking_fewshot_vlms, fs/twostage.py, where ln_pre, ln_post and
ln_final are listed but stay frozen, as here. There the rate falls in every step, here every epoch.
"""

from __future__ import annotations

from functools import cached_property, partial

import torch
from pydantic import Field
from torch import Generator, Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.clip.blocks import norms_of
from vlprompt_pipeline.clip.templates import named
from vlprompt_pipeline.config import Template, epoch_at
from vlprompt_pipeline.methods.base import PromptLearner
from vlprompt_pipeline.methods.changed_images import ChangedImages, PixelLearner
from vlprompt_pipeline.methods.known_names import hashed_names, rows_of
from vlprompt_pipeline.methods.registry import Method, register
from vlprompt_pipeline.methods.walked_text import WalkedTexts
from vlprompt_pipeline.methods.walked_towers import Passing, WalkedImages
from vlprompt_pipeline.parametrizations.quantized import quantized_tensors
from vlprompt_pipeline.parsing import Parameters


class TwoStageParameters(Parameters):
    """`template` of all texts (published: one for every dataset); the `share` of stage 1."""

    template: Template
    share: float = Field(gt=0, lt=1)


class TwoStage(PixelLearner):
    """Norms `text_norms` and `image_norms` by block, `[4, width]`: weight and bias of both.

    And `classifier` `[classes, embed]`, zero before stage 2, with the `names` of its rows.
    """

    contexts = ()
    grows = ("classifier", "names")
    exact = ("names",)
    classifiers = ("classifier",)
    settings: TwoStageParameters

    def build(self, clip: FrozenClip, generator: Generator) -> None:
        """Raise ConfigError if the towers are of another kind, DataError for a name too long."""
        clip.require_attention_weights()
        self.text_norms = nn.ParameterList(norms_of(block) for block in clip.text.blocks)
        image = clip.image
        self.image_norms = nn.ParameterList(map(image.norms_of, range(len(image.blocks))))
        rows = len(self.classes.names)
        self.classifier = nn.Parameter(torch.zeros(rows, clip.embed_dim))
        self.names = nn.Parameter(hashed_names(self.classes.names), requires_grad=False)
        self.to(clip.device)
        texts = [named(self.settings.template, name) for name in self.classes.names]
        self.texts = WalkedTexts(clip, texts)
        self.register_load_state_dict_post_hook(TwoStage._forget)

    def class_features(self) -> Tensor:
        """Return rows of known classes and text features of new ones, normalised."""
        if not self.in_second_stage:
            return self.text_features()
        rows, trained = self._rows
        weights = F.normalize(self.classifier.index_select(0, rows), dim=-1)
        if trained is None:
            return weights
        return torch.where(trained[:, None], weights, self.text_features())

    def text_features(self) -> Tensor:
        """Return normalised features of the tuned text tower, `[classes, embed]`."""
        return self.texts.features(self.clip, partial(_with_norms, self.text_norms))

    @cached_property  # as is all that is read of tensors: no step may wait for the device
    def in_second_stage(self) -> bool:
        """Whether the classifier has been started."""
        return bool(self._stored_classifier.any())

    @property
    def _stored_classifier(self) -> Tensor:
        """The classifier without noise and quantization."""
        if parametrize.is_parametrized(self, "classifier"):
            return self.parametrizations.classifier.original
        return self.classifier

    @property
    def phase(self) -> str:
        """Which of both stages the next step belongs to."""
        return "classifier" if self.in_second_stage else "norms"

    @cached_property
    def _rows(self) -> tuple[Tensor, Tensor | None]:
        """Return the row of each class, 0 for a new one, and which are trained if not all are."""
        rows, device = rows_of(self.classes.names, self.names), self.names.device
        trained = torch.tensor([row is not None for row in rows], device=device)
        index = torch.tensor([row or 0 for row in rows], device=device)
        return index, trained if None in rows else None

    def _forget(self, *_: object) -> None:
        """Forget what was read of tensors that are others now."""
        for name in ("in_second_stage", "_rows"):
            vars(self).pop(name, None)

    def put(self, name: str, tensor: Tensor) -> None:
        """Do as the base, and forget what was read of the tensors."""
        super().put(name, tensor)
        self._forget()

    @torch.no_grad()
    def start_second_stage(self) -> None:
        """Start the classifier at the tuned text features; its codebooks are made anew."""
        self._stored_classifier.copy_(self.text_features())
        for each in quantized_tensors(self):
            if each.name == "classifier":
                each.quantizer.forget()
        self._forget()

    def epoch_done(self, epoch: int, epochs: int) -> None:
        """Pass to stage 2 after the share of stage 1, where `training.restart` is the same."""
        if epoch + 1 == epoch_at(self.settings.share, epochs):
            self.start_second_stage()

    def image_side(self) -> ChangedImages:
        """Return the CLIP with tuned norms in its image tower."""
        return ChangedImages(self.clip, "norms", list(self.image_norms), self._encode)

    def losses(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Do as the base, from pixels; in stage 2 no gradient reaches the norms."""
        if not self.in_second_stage:
            return super().losses(images, labels)
        with torch.no_grad():
            features = self._encode(images)
        return PromptLearner.losses(self, features, labels)

    def _encode(self, pixels: Tensor) -> Tensor:
        images = WalkedImages.begin(self.clip, pixels)
        return images.features(partial(_with_norms, self.image_norms))[0]


def _with_norms(norms: nn.ParameterList, depth: int, passing: Passing) -> Tensor:
    return passing.run(norms[depth])


register(
    Method("two_stage", TwoStageParameters, TwoStage, restart=lambda parameters: parameters.share)
)
