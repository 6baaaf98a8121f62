"""The training loop: SGD on a learner's tensors, deterministic from the seed, continued if killed."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vlprompt_pipeline.config import TrainingParameters
from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.progress import Progress, no_progress
from vlprompt_pipeline.prompts.base import PromptLearner
from vlprompt_pipeline.training.batches import Batches
from vlprompt_pipeline.training.checkpoint import Checkpoint
from vlprompt_pipeline.training.schedule import learning_rate


def train(
    learner: PromptLearner,
    batches: Batches,
    training: TrainingParameters,
    checkpoint: Checkpoint | None = None,
    progress: Progress = no_progress,
) -> list[dict]:
    """Train `learner` in place and return one row an epoch.

    A row holds epoch, learning rate, mean loss and each of its terms, and, where tensors are
    quantized, what their codebooks did.

    Raises:
        UserError: the loss is no longer finite.
    """
    optimizer = torch.optim.SGD(
        learner.parameters(),
        lr=training.lr,
        momentum=training.momentum,
        weight_decay=training.weight_decay,
    )
    done, rows = checkpoint.restore(learner, optimizer) if checkpoint else (0, [])
    with progress("training", training.epochs) as advance:
        advance(done)
        for epoch in range(done, training.epochs):
            rate = learning_rate(epoch, training)
            for group in optimizer.param_groups:
                group["lr"] = rate
            rows.append({"epoch": epoch, "learning_rate": rate, **_epoch(learner, batches, optimizer, epoch)})
            if checkpoint:
                checkpoint.save(learner, optimizer, rows, epoch + 1)
            advance(1)
    return rows


def _epoch(learner, batches: Batches, optimizer, epoch: int) -> dict[str, float]:
    totals: dict[str, float] = {}
    steps = 0
    for step, (features, labels) in enumerate(batches.epoch(epoch)):
        terms = learner.losses(features, labels)
        loss = torch.stack(list(terms.values())).sum()
        _check_finite(loss, epoch, step, optimizer.param_groups[0]["lr"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
        for name, term in {"loss": loss, **terms}.items():
            totals[name] = totals.get(name, 0.0) + term.item()
    means = {name: total / steps for name, total in totals.items()}
    return means


def _check_finite(loss: Tensor, epoch: int, step: int, rate: float) -> None:
    if not math.isfinite(loss.item()):
        raise UserError(
            f"the loss is {loss.item()} in epoch {epoch}, step {step}, at learning rate {rate:g}: "
            "lower training.lr, or train in single precision"
        )
