"""Scores and contexts of prompts after each epoch of their training."""

from __future__ import annotations

from operator import attrgetter

import torch
from torch import Tensor

from vlprompt_pipeline.analysis.material import HALVES, Material
from vlprompt_pipeline.methods import PromptLearner, Recipe, build_plain
from vlprompt_pipeline.methods.conditional import group_features
from vlprompt_pipeline.training.side_by_side import SideBySide


class Following:
    """Called with the learners before training and after each epoch; remembers what it saw.

    A prompt is looked at as it would be used: quantized where it is quantized, without the noise
    and the dropout of training, in single precision.
    """

    def __init__(self, recipe: Recipe, material: Material) -> None:
        """`recipe` says how the prompts are laid out; those that train together agree on it."""
        self.material = material
        self.plain = {
            half: build_plain(recipe, material.clip, material.classes[half]) for half in HALVES
        }
        self._correct: list[Tensor] = []
        self._contexts: list[Tensor] = []

    @property
    def correct(self) -> Tensor:
        """Right answers on base and new test images, `[learners, moments, 2]`."""
        return torch.stack(self._correct, dim=1)

    @property
    def contexts(self) -> Tensor:
        """The contexts, `[learners, moments, tokens, width]`."""
        return torch.stack(self._contexts, dim=1)

    @torch.no_grad()
    def look(self, learner: PromptLearner) -> None:
        """Score a learner, or each of several that train together."""
        training = learner.training
        learner.eval()
        if isinstance(learner, SideBySide):
            contexts = learner.stacked()
            correct = [self._together(half, contexts) for half in HALVES]
        else:
            contexts = _context(learner)[None]
            correct = [self._alone(half, learner) for half in HALVES]
        self._contexts.append(contexts.cpu())
        self._correct.append(torch.tensor(correct).T)
        learner.train(training)

    def _together(self, half: str, contexts: Tensor) -> list[int]:
        texts = group_features(self.material.clip, self.plain[half].layout, contexts)
        test = self.material.test[half]
        return [test.correct(test.features @ features.T) for features in texts]

    def _alone(self, half: str, learner: PromptLearner) -> list[int]:
        plain = self.plain[half]
        plain.load_prompt(learner.prompt_tensors())
        return [self.material.correct(half, plain)]


def _context(learner: PromptLearner) -> Tensor:
    """Return all token embeddings of a prompt, `[tokens, width]`."""
    return torch.cat([attrgetter(name)(learner).flatten(0, -2) for name in learner.contexts])
