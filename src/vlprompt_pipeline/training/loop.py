"""The training loop: SGD on a learner's tensors, deterministic, continued where it was killed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from vlprompt_pipeline.config import TrainingParameters
from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.parametrizations import clustering_row, quantized_tensors
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
    after_epoch: Callable[[PromptLearner], None] | None = None,
) -> list[dict]:
    """Train `learner` in place and return one row an epoch.

    A row holds epoch, learning rate, mean loss and each of its terms, and, where tensors are
    quantized, what their codebooks did, every re-clustering in a row of `clusterings`.
    `after_epoch` is called with the learner, in training mode.

    Raises:
        UserError: the loss is no longer finite.
    """
    optimizer = torch.optim.SGD(
        learner.parameters(),
        lr=training.lr,
        momentum=training.momentum,
        weight_decay=training.weight_decay,
    )
    learner.train()
    done, rows = checkpoint.restore(learner, optimizer) if checkpoint else (0, [])
    with progress("training", training.epochs) as advance:
        advance(done)
        for epoch in range(done, training.epochs):
            rate = learning_rate(epoch, training)
            for group in optimizer.param_groups:
                group["lr"] = rate
            means = _epoch(learner, batches, optimizer, epoch)
            rows.append({"epoch": epoch, "learning_rate": rate, **means})
            if checkpoint:
                checkpoint.save(learner, optimizer, rows, epoch + 1)
            if after_epoch:
                after_epoch(learner)
            advance(1)
    learner.eval()
    _quantize_after(learner, rows, training.epochs * batches.steps)
    return rows


def _epoch(
    learner: PromptLearner, batches: Batches, optimizer: Optimizer, epoch: int
) -> dict[str, Any]:
    """One pass over the images; returns means of the loss and its terms, and of the codebooks."""
    totals: dict[str, float] = {}
    for step, (features, labels) in enumerate(batches.epoch(epoch)):
        terms = learner.losses(features, labels)
        optimizer.zero_grad()
        loss = learner.backward(terms)
        _check_finite(loss, epoch, step, optimizer.param_groups[0]["lr"])
        optimizer.step()
        for _, quantizer, given in quantized_tensors(learner):
            quantizer.observe(epoch * batches.steps + step + 1, given, batches.steps)
        for name, term in {"loss": loss, **terms}.items():
            totals[name] = totals.get(name, 0.0) + term.item()
    means = {name: total / batches.steps for name, total in totals.items()}
    return {**means, **_codebooks(learner)}


def _codebooks(learner: PromptLearner) -> dict[str, Any]:
    """What the codebooks of each quantized tensor did in the epoch."""
    row: dict[str, Any] = {}
    clusterings: list[dict[str, Any]] = []
    for name, quantizer, _ in quantized_tensors(learner):
        checks = quantizer.pop_history()
        made = [clustering_row(name, check) for check in checks if check.reclustered]
        clusterings += made
        row[f"{name}.reclustered"] = len(made)
        row[f"{name}.drift"] = max((check.kl for check in checks), default=0.0)
        if checks:
            row[f"{name}.squared_error"] = checks[-1].mean_squared_error
    return {**row, "clusterings": clusterings} if row else {}


def _quantize_after(learner: PromptLearner, rows: list[dict], step: int) -> None:
    """Make the codebooks of tensors that were trained without them."""
    for name, quantizer, given in quantized_tensors(learner):
        if quantizer.config.post_training and rows:
            quantizer.initialise(given, step)
            made = [clustering_row(name, check) for check in quantizer.pop_history()]
            rows[-1] = {**rows[-1], "clusterings": [*rows[-1]["clusterings"], *made]}


def _check_finite(loss: Tensor, epoch: int, step: int, rate: float) -> None:
    if not torch.isfinite(loss):
        raise UserError(
            f"the loss is {loss.item()} in epoch {epoch}, step {step}, at learning rate {rate:g}: "
            "lower training.lr, or train in single precision"
        )
