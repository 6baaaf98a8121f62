"""Several prompts trained as one batch of the text tower: same numbers, less time.

Prompts that differ in seed, noise, quantizer or factors, but not in layout and schedule, need the
same layers of the same frozen tower. Their contexts pass it as groups of one batch, each is scored
on its own images, and the losses are added: the gradient of a sum is, for each prompt, that of its
own loss, and the optimiser works value by value. So every prompt takes the steps that it would take
alone; only the last bits of matrix products may differ with their sizes.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlprompt_pipeline.config import TrainingParameters
from vlprompt_pipeline.methods.base import PromptLearner
from vlprompt_pipeline.methods.conditional import group_features
from vlprompt_pipeline.methods.recipe import Recipe
from vlprompt_pipeline.methods.registry import get_method
from vlprompt_pipeline.progress import Progress, no_progress
from vlprompt_pipeline.training.batches import Batches
from vlprompt_pipeline.training.checkpoint import Checkpoint
from vlprompt_pipeline.training.loop import train

if TYPE_CHECKING:  # CoOp's code counts for results of CoOp alone
    from vlprompt_pipeline.methods.coop import CoOp


class SideBySide(PromptLearner):
    """Learners of one layout, trained by one loop; `streams` says which images each is shown."""

    def __init__(self, learners: Sequence[CoOp], streams: Sequence[int]) -> None:
        super().__init__(learners[0].clip, learners[0].classes)
        self.learners = nn.ModuleList(learners)
        self.layout = learners[0].layout
        self.streams = torch.tensor(streams, device=self.clip.device)

    def stacked(self) -> Tensor:
        """Return the contexts as the model sees them, `[learners, length, width]`."""
        return torch.stack([learner.context for learner in self.learners])

    def losses(self, image_features: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return the learners' cross-entropies, each on its own stream, by `learners.<number>.`.

        Args:
            image_features: `[streams, images, embed]`.
            labels: `[streams, images]`.
        """
        texts = group_features(self.clip, self.layout, self.stacked())
        logits = torch.einsum("lie,lce->lic", image_features[self.streams], texts)
        rows = (self.clip.logit_scale * logits).flatten(0, 1)
        each = F.cross_entropy(rows, labels[self.streams].flatten(), reduction="none")
        means = each.unflatten(0, logits.shape[:2]).mean(1)
        return {f"{_prefix(i)}cross_entropy": mean for i, mean in enumerate(means.unbind())}


@dataclass(frozen=True)
class Streams:
    """Several sources of training batches, read in step: what `SideBySide` is trained on."""

    sources: Sequence[Batches]

    @property
    def steps(self) -> int:
        """Batches an epoch."""
        return self.sources[0].steps

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield pairs of image features `[streams, batch, embed]` and labels `[streams, batch]`."""
        for drawn in zip(*(source.epoch(number) for source in self.sources), strict=True):
            features, labels = zip(*drawn, strict=True)
            yield torch.stack(features), torch.stack(labels)


def train_together(
    learners: Sequence[CoOp],
    streams: Sequence[int],
    sources: Sequence[Batches],
    training: TrainingParameters,
    checkpoint: Checkpoint | None = None,
    progress: Progress = no_progress,
) -> list[list[dict]]:
    """Train learners in place, each on its own batches; return the history of each, as if alone.

    Args:
        learners: of recipes with one `layout_key`.
        streams: the number among `sources` of the batches that each learner is shown.
        sources: batches of equal sizes, those of a seed once.
        training: the settings of all.
        checkpoint: of the group.
        progress: shown over the epochs.

    Raises:
        UserError: a loss or gradient is no longer finite; it names the learner by its number.
    """
    whole = SideBySide(learners, streams)
    rows = train(whole, Streams(sources), training, checkpoint, progress)
    return [[_row_of(row, number) for row in rows] for number in range(len(learners))]


def _row_of(row: dict[str, Any], number: int) -> dict[str, Any]:
    """Return what a row of the group's history says of one learner."""
    prefix = _prefix(number)
    common = {name: row[name] for name in ("epoch", "learning_rate")}
    values = {name.removeprefix(prefix): v for name, v in row.items() if name.startswith(prefix)}
    clusterings = [
        {**each, "tensor": each["tensor"].removeprefix(prefix)}
        for each in row.get("clusterings", [])
        if each["tensor"].startswith(prefix)
    ]
    quantized = any(name.endswith(".reclustered") for name in values)
    codebooks = {"clusterings": clusterings} if quantized else {}
    return {**common, "loss": values["cross_entropy"], **values, **codebooks}


def _prefix(number: int) -> str:
    """Return what names of a learner's tensors and terms begin with in the group."""
    return f"learners.{number}."


def layout_key(recipe: Recipe) -> Hashable | None:
    """Return what recipes have in common whose prompts can share a batch; none for other recipes.

    Such a prompt is CoOp's own, with one context, all of it in front of the class names: a method
    that extends CoOp has losses or features of its own, and trains alone. What a step may keep in
    memory changes no bit, and is left out.
    """
    prompt, training = recipe.prompt, recipe.training
    if not training or not get_method(recipe.method).side_by_side(prompt):
        return None
    return prompt, training.model_copy(update={"memory_gb": None})
