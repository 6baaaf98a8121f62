"""The test images of a cell, to try changed prompts on: what if a tensor were rounded, or noisy?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from vlprompt_pipeline.clip import FeatureSet, FrozenClip
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.evaluation.metrics import accuracy
from vlprompt_pipeline.methods import ClassTexts, Recipe, build_plain


@dataclass(frozen=True)
class TestBench:
    """Features of all test images of a cell, and the classes that each half is told apart among.

    Attributes:
        clip: the frozen CLIP.
        template: the dataset's own.
        halves: labels and class names of each half, as the stage few_shot_sampling leaves them.
        labels: `[images]`, among all classes.
        features: `[images, embed]`, of the frozen image tower.
    """

    clip: FrozenClip
    template: str
    halves: Mapping[str, Mapping[str, Any]]
    labels: Tensor
    features: Tensor

    __test__ = False  # no test, whatever pytest takes its name for

    @classmethod
    def of(
        cls,
        clip: FrozenClip,
        table: pd.DataFrame,
        card: Mapping[str, Any],
        halves: Mapping[str, Mapping[str, Any]],
        features: FeatureSet,
    ) -> TestBench:
        """From what the stages of data and features leave; `features` are of all test images."""
        labels = torch.tensor(table.loc[table["part"] == "test", "label"].to_numpy())
        return cls(clip, card["template"], halves, labels, features.of(clip)[:, 0])

    @torch.no_grad()
    def accuracies(self, recipe: Recipe, tensors: Mapping[str, Tensor]) -> dict[str, float]:
        """Accuracy on each half in percent, with `tensors` in the place of the trained ones.

        Raises:
            ConfigError: the recipe has prompts in the image tower, or knows no other classes.
            PromptFileError: the tensors are not those of the recipe.
        """
        found = {}
        for half, members in self.halves.items():
            classes = ClassTexts(tuple(members["class_names"]), self.template)
            learner = build_plain(recipe, self.clip, classes)
            if learner.reads != "features" or recipe.bound_to_classes:
                raise ConfigError(f"{recipe.title} is no prompt on features of the frozen CLIP")
            learner.load_prompt(tensors)
            chosen = torch.isin(self.labels, torch.tensor(members["labels"]))
            images = self.features[chosen].to(self.clip.device)
            said = torch.tensor(members["labels"])[learner.logits(images).argmax(-1).cpu()]
            right = int((said == self.labels[chosen]).sum())
            found[half] = accuracy(right, len(said))
        return found
