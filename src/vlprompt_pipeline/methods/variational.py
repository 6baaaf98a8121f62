"""Variational prompts: a distribution over contexts (Derakhshani et al., ICCV 2023).

A residual r ~ N(mean, exp(log_variance)), the same for every context vector, is added to a trained
context. Loss = -mean_b [logsumexp_l log p_l(y_b) - log L] + kl_weight · KL(N || standard normal),
the KL averaged over dimensions and not summed: it is the log of the mean probability over L
samples, as in saic-fi/Bayesian-Prompt-Learning, trainers/vpt.py, not the mean log-likelihood of the
paper's bound. `variational` learns one distribution, `variational_conditional` one for each image.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic import Field
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.methods.base import PromptLearner
from vlprompt_pipeline.methods.conditional import group_features, own_similarities
from vlprompt_pipeline.methods.context import ContextParameters, initial_context
from vlprompt_pipeline.methods.layout import class_layout
from vlprompt_pipeline.methods.networks import network
from vlprompt_pipeline.methods.registry import Method, register
from vlprompt_pipeline.methods.sampled import SampledPredictions
from vlprompt_pipeline.parametrizations.draws import Draws

REDUCTION = 2  # of the networks' hidden layers against the joint space, which their input is in


class VariationalParameters(ContextParameters):
    """Context and distribution.

    Attributes:
        samples: contexts drawn in each step and for each prediction.
        kl_weight: published: 0.001.
        prediction: `sampled` as published (the draws are fixed, so it is the same every time), or
            the `mean` context alone.
    """

    samples: int = Field(ge=1)
    kl_weight: float = Field(ge=0)
    prediction: Literal["sampled", "mean"]


class UnconditionalParameters(VariationalParameters):
    """`initial_log_variance` of every dimension, or none for the official uniform in [0, 1).

    The official spread is 50 times that of token embeddings; -8 is near theirs.
    """

    initial_log_variance: float | None


class _Variational(PromptLearner):
    """What both forms share; their `distribution` and its tensors are where they differ."""

    settings: VariationalParameters

    def build(self, clip: FrozenClip, generator: Generator) -> None:
        """Raise ConfigError or DataError if initial words or class names do not fit."""
        self.context = nn.Parameter(initial_context(clip, self.settings, generator).to(clip.device))
        self.layout = class_layout(clip, self.classes.names, len(self.context))
        self.draws = Draws(generator)

    def distribution(self, image_features: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of the residual, each `[1 or images, width]`."""
        raise NotImplementedError

    def logits(self, image_features: Tensor) -> Tensor:
        """Return `[images, classes]`: log of the mean over samples, or with the mean context."""
        if self.settings.prediction == "mean":
            return self.with_mean(image_features)
        sampled = self.with_samples(image_features)
        return sampled.logsumexp(0) - math.log(len(sampled))

    def sampled(self, image_features: Tensor) -> SampledPredictions:
        """Return probabilities with the mean context, and with each sample."""
        alone, samples = self.with_mean(image_features), self.with_samples(image_features)
        return SampledPredictions(self.settings.prediction, mean=alone.exp(), samples=samples.exp())

    def with_mean(self, image_features: Tensor) -> Tensor:
        """Return log-probabilities `[images, classes]` with the mean context."""
        mean, _ = self.distribution(image_features)
        return self._log_probabilities(image_features, mean[None])[0]

    def with_samples(self, image_features: Tensor) -> Tensor:
        """Return log-probabilities `[samples, images, classes]` with each sample."""
        residuals = self._residuals(*self.distribution(image_features))
        return self._log_probabilities(image_features, residuals)

    def losses(self, image_features: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return negative log of the mean probability of the label, and the weighted KL."""
        mean, log_variance = self.distribution(image_features)
        sampled = self._log_probabilities(image_features, self._residuals(mean, log_variance))
        predicted = sampled.logsumexp(0) - math.log(len(sampled))
        divergence = 0.5 * (log_variance.exp() + mean.square() - 1 - log_variance).mean()
        return {
            "likelihood": F.nll_loss(predicted, labels),
            "divergence": self.settings.kl_weight * divergence,
        }

    def _residuals(self, mean: Tensor, log_variance: Tensor) -> Tensor:
        """Return samples `[samples, 1 or images, width]`."""
        # predictions of an image must not depend on those it is predicted with
        each = len(mean) if self.training else 1
        noise = self.draws.normal((self.settings.samples, each, mean.shape[1]), mean)
        return mean + noise * (0.5 * log_variance).exp()

    def _log_probabilities(self, image_features: Tensor, residuals: Tensor) -> Tensor:
        """Return `[samples, images, classes]` for residuals `[samples, 1 or images, width]`."""
        samples, each, _ = residuals.shape
        if each == 1:
            return self._scores(image_features, self._texts(residuals))
        contexts = (self.context + residuals[:, :, None]).flatten(0, 1)
        repeated = image_features.repeat(samples, 1)
        similarities = own_similarities(self.clip, self.layout, contexts, repeated)
        cosines = similarities.unflatten(0, (samples, each))
        return F.log_softmax(self.clip.logit_scale * cosines, dim=-1)

    def _texts(self, residuals: Tensor) -> Tensor:
        """Return text features `[samples, classes, embed]` for residuals `[samples, 1, width]`."""
        return group_features(self.clip, self.layout, self.context + residuals)

    def _scores(self, image_features: Tensor, texts: Tensor) -> Tensor:
        """Return `[samples, images, classes]` of texts that are the same for all images."""
        cosines = torch.einsum("ie,sce->sic", image_features, texts)
        return F.log_softmax(self.clip.logit_scale * cosines, dim=-1)


class Variational(_Variational):
    """One distribution for all images: `mean` and `log_variance` of `[1, width]`."""

    constants = ("mean_texts", "sample_texts")
    settings: UnconditionalParameters

    def build(self, clip: FrozenClip, generator: Generator) -> None:
        """Raise ConfigError or DataError if initial words or class names do not fit."""
        super().build(clip, generator)
        shape, constant = (1, clip.text_width), self.settings.initial_log_variance
        random = constant is None
        initial = torch.rand(shape, generator=generator) if random else torch.full(shape, constant)
        self.mean = nn.Parameter(torch.zeros(shape, device=clip.device))
        self.log_variance = nn.Parameter(initial.to(clip.device))

    def distribution(self, image_features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the same for all images."""
        return self.mean, self.log_variance

    def mean_texts(self) -> Tensor:
        """Return text features of the mean context, `[1, classes, embed]`."""
        return self._texts(self.mean[None])

    def sample_texts(self) -> Tensor:
        """Return text features of each sample, `[samples, classes, embed]`."""
        return self._texts(self._residuals(self.mean, self.log_variance))

    def with_mean(self, image_features: Tensor) -> Tensor:
        """Do as the base, with text features that serve all images."""
        return self._scores(image_features, self.mean_texts())[0]

    def with_samples(self, image_features: Tensor) -> Tensor:
        """Do as the base, with text features that serve all images."""
        return self._scores(image_features, self.sample_texts())


class ConditionalVariational(_Variational):
    """Two networks from image feature to mean and log-variance.

    The official code takes one image a batch. Here each image of a training batch has draws of its
    own; predictions of all images share theirs.
    """

    def build(self, clip: FrozenClip, generator: Generator) -> None:
        """Raise ConfigError or DataError if initial words or class names do not fit."""
        super().build(clip, generator)
        hidden = clip.embed_dim // REDUCTION
        widths = (clip.embed_dim, hidden, hidden, clip.text_width)
        self.mean_net = network(widths, nn.ELU, generator).to(clip.device)
        self.log_variance_net = network(widths, nn.ELU, generator).to(clip.device)

    def distribution(self, image_features: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance for each image, `[images, width]` both."""
        return self.mean_net(image_features), self.log_variance_net(image_features)


register(Method("variational", UnconditionalParameters, Variational))
register(Method("variational_conditional", VariationalParameters, ConditionalVariational))
