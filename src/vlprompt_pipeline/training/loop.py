"""Train a learner: deterministic, every step checked, continued where it was killed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vlprompt_pipeline.config import TrainingParameters
from vlprompt_pipeline.methods.base import PromptLearner
from vlprompt_pipeline.parametrizations import clustering_row, quantized_tensors
from vlprompt_pipeline.parametrizations.spectrum import spectra
from vlprompt_pipeline.progress import Progress, no_progress
from vlprompt_pipeline.training.batches import Batches
from vlprompt_pipeline.training.capture import Steps, recorder_for
from vlprompt_pipeline.training.checkpoint import Checkpoint, Running
from vlprompt_pipeline.training.optimizers import make_optimizer, set_rate
from vlprompt_pipeline.training.precision import computing
from vlprompt_pipeline.training.repeatable import repeatable
from vlprompt_pipeline.training.schedule import learning_rate
from vlprompt_pipeline.training.step import EpochRecord


def train(
    learner: PromptLearner,
    batches: Batches,
    training: TrainingParameters,
    checkpoint: Checkpoint | None = None,
    progress: Progress = no_progress,
    after_epoch: Callable[[PromptLearner], None] | None = None,
) -> list[dict]:
    """Train `learner` in place and return one row an epoch.

    A row holds epoch, learning rate, mean loss and each of its terms, the spectrum of low-rank
    contexts and, where tensors are quantized, what their codebooks did, with a row of `clusterings`
    for every re-clustering. `after_epoch` is called with the learner, in training mode.

    Raises:
        UserError: the loss or a gradient is no longer finite.

    Example:
        >>> import torch
        >>> from vlprompt_pipeline.clip import load_clip
        >>> from vlprompt_pipeline.methods import ClassTexts, build_learner, resolve_recipe
        >>> from vlprompt_pipeline.training import CachedViews
        >>> rates = {"lr": 0.002, "warmup_lr": 1e-5, "warmup_epochs": 1}
        >>> sgd = {"momentum": 0.9, "weight_decay": 5e-4}
        >>> values = {
        ...     "method": "coop",
        ...     "title": "CoOp",
        ...     "prompt": {
        ...         "length": 4, "init": None, "class_position": "end", "class_specific": False
        ...     },
        ...     "training": {"epochs": 2, "batch_size": 2, **rates, **sgd},
        ... }
        >>> recipe = resolve_recipe("coop", {"coop": values})
        >>> classes = ClassTexts(("cat", "dog"), "a photo of a {}.")
        >>> learner = build_learner(recipe, load_clip("embedded"), classes, seed=1)
        >>> features = torch.nn.functional.normalize(torch.randn(4, 1, 128), dim=-1)
        >>> batches = CachedViews(features, torch.tensor([0, 0, 1, 1]), batch_size=2, seed=1)
        >>> [row["epoch"] for row in train(learner, batches, recipe.training)]
        [0, 1]
    """
    learner.train()
    training = training.in_epochs(batches.steps)
    with (
        learner.clip.arithmetic.running(),
        repeatable(learner.clip.device),
        computing(learner, training, training.epochs * batches.steps) as scaler,
        progress("training", training.epochs) as advance,
    ):
        running = Running(learner, make_optimizer(learner, training), scaler)
        done, rows = checkpoint.restore(running) if checkpoint else (0, [])
        advance(done)
        steps = Steps(running, recorder_for(learner))
        for epoch in range(done, training.epochs):
            if epoch == training.restart_epoch:
                running.optimizer.state.clear()
                steps.forget()
            rate = learning_rate(epoch, training)
            set_rate(running.optimizer, rate)
            means = train_epoch(steps, batches, epoch, rate)
            rows.append({"epoch": epoch, "learning_rate": rate, **means})
            learner.epoch_done(epoch, training.epochs)
            if checkpoint:
                checkpoint.save(running, rows, epoch + 1)
            if after_epoch:
                after_epoch(learner)
            advance(1)
    learner.eval()
    _quantize_after(learner, rows, training.epochs * batches.steps)
    return rows


def train_epoch(steps: Steps, batches: Batches, epoch: int, rate: float) -> dict[str, Any]:
    """Train one epoch; return means of the loss and its terms, and what the codebooks did."""
    learner = steps.learner
    record = EpochRecord(epoch, rate)
    quantized = list(quantized_tensors(learner))
    for each in quantized:
        if each.quantizer.config.post_training:
            each.quantizer.forget()
    try:
        for step, (images, labels) in enumerate(batches.epoch(epoch)):
            record.add(*steps(images, labels))
            done = epoch * batches.steps + step + 1
            for each in quantized:
                each.quantizer.observe(done, each.weight, batches.steps)
    except Exception:
        record.read()  # a step that went wrong before is the cause, and is named
        raise
    return {**record.read(), **spectra(learner), **_codebooks(learner)}


def _codebooks(learner: PromptLearner) -> dict[str, Any]:
    """Summarise what the codebooks of each quantized tensor did in the epoch."""
    row: dict[str, Any] = {}
    clusterings: list[dict[str, Any]] = []
    for name, quantizer, _ in quantized_tensors(learner):
        checks = quantizer.pop_history()
        if quantizer.config.post_training:
            checks = []  # codebooks that an evaluation between epochs made; training drops them
        reclustered = [clustering_row(name, check) for check in checks if check.reclustered]
        clusterings += reclustered
        row[f"{name}.reclustered"] = len(reclustered)
        row[f"{name}.drift"] = max((check.kl for check in checks), default=0.0)
        if checks:
            row[f"{name}.squared_error"] = checks[-1].mean_squared_error
    return {**row, "clusterings": clusterings} if row else {}


def _quantize_after(learner: PromptLearner, rows: list[dict], step: int) -> None:
    """Make the last codebooks of tensors that were trained without, or changed at the end."""
    for name, quantizer, weight in quantized_tensors(learner):
        if rows and (quantizer.config.post_training or not quantizer.ready):
            quantizer.initialise(weight, step)
            clusterings = [clustering_row(name, check) for check in quantizer.pop_history()]
            rows[-1] = {**rows[-1], "clusterings": [*rows[-1]["clusterings"], *clusterings]}
