"""CLAP: a linear probe that starts at the text features and stays near them (CVPR 2024).

Loss = cross-entropy + mean over classes of m_c · |w_c - t_c|², with t_c the mean raw text feature,
at which w_c starts, and m_c zero-shot CLIP's mean probability of the right class on the few-shot
images of class c: a class that CLIP knows stays near its text. Without `constraint` it is ZS-LP,
the zero-shot-initialised linear probe of the same paper (Silva-Rodríguez et al.). Neither needs
validation images. Details follow jusiro/CLAP, trainers/adapters.py, where m is fixed, too; the
paper presents an augmented Lagrangian that would adapt it.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.methods.base import PromptLearner
from vlprompt_pipeline.methods.inputs import FewShotFeatures
from vlprompt_pipeline.methods.registry import Method, always, register
from vlprompt_pipeline.methods.texts import TextParameters, mean_features


class CLAPParameters(TextParameters):
    """Texts of the classes, and whether the `constraint` is in the loss."""

    constraint: bool


class CLAP(PromptLearner):
    """`prototypes` `[classes, embed]`, not normalised, and fixed `multipliers` `[classes]`."""

    contexts = ()
    fitted = True
    exact = ("multipliers",)
    classifiers = ("prototypes",)
    views_apart = True
    settings: CLAPParameters

    def build(self, clip: FrozenClip, generator: Generator) -> None:
        """Raise ConfigError or DataError if templates, descriptions or names do not fit."""
        texts = mean_features(clip, self.classes, self.settings, raw=True)
        self.register_buffer("texts", texts, persistent=False)
        self.prototypes = nn.Parameter(texts.clone())
        self.multipliers = nn.Parameter(texts.new_zeros(len(texts)), requires_grad=False)

    def class_features(self) -> Tensor:
        """Return normalised prototype of each class, `[classes, embed]`."""
        return F.normalize(self.prototypes, dim=-1)

    @torch.no_grad()
    def fit(self, few_shot: FewShotFeatures) -> list[dict]:
        """Set how strongly each class is held near its text, from all views of its images."""
        labels, texts = few_shot.labels, F.normalize(self.texts, dim=-1)
        rows = torch.arange(len(labels), device=labels.device)
        by_view = [  # all at once are gigabytes where there are 1,000 classes
            (self.clip.logit_scale * view @ texts.T).softmax(-1)[rows, labels]
            for view in few_shot.every_view.unbind(1)
        ]
        right = torch.stack(by_view, 1).mean(1)
        counts = labels.bincount(minlength=len(texts))
        sums = torch.zeros_like(self.multipliers).index_add(0, labels, right)
        self.multipliers.copy_(sums / counts.clamp(min=1))
        return []

    def losses(self, image_features: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return cross-entropy, and the distance to the texts where it is constrained."""
        terms = super().losses(image_features, labels)
        if self.settings.constraint:
            moved = (self.prototypes - self.texts).square().sum(-1)
            terms["distance"] = (self.multipliers * moved).mean()
        return terms


register(Method("clap", CLAPParameters, CLAP, always))
