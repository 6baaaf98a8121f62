"""Training that is cut short behind a checkpoint, and goes on from there with the same bits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from vlprompt_pipeline.methods import PromptLearner
from vlprompt_pipeline.training import Checkpoint


@dataclass(frozen=True)
class CutCheckpoint(Checkpoint):
    """A checkpoint that ends its run when it has stored the state after `last` epochs."""

    last: int

    def save(self, running, rows, epochs):
        super().save(running, rows, epochs)
        if epochs == self.last:
            raise KeyboardInterrupt


def require_same_bits_after_a_cut(
    train: Callable[[Checkpoint | None], tuple[PromptLearner, list[dict]]], file: Path, epochs: int
) -> tuple[PromptLearner, PromptLearner]:
    """Train as a whole, then cut after so many epochs and continued: tensors and rows are equal.

    Returns:
        The learner that was trained as a whole, and the one that was continued.
    """
    whole, rows = train(None)
    with pytest.raises(KeyboardInterrupt):
        train(CutCheckpoint(file, "this run", epochs))
    continued, again = train(Checkpoint(file, "this run"))
    assert again == rows
    require_same_tensors(continued.state_dict(), whole.state_dict())
    return whole, continued


def require_same_tensors(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """The same names, and for each the same bits."""
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name
