"""Compute the learning rate of each epoch."""

from __future__ import annotations

import math

from vlprompt_pipeline.config import TrainingParameters


def learning_rate(epoch: int, training: TrainingParameters) -> float:
    """Return the learning rate of epoch `epoch`, counted from 0.

    A constant warm-up is followed by `lr / 2 (1 + cos(π (e - warmup) / epochs))`. The cosine starts
    anew after the warm-up, so the last epoch is not at zero (Dassl.pytorch, WARMUP_RECOUNT).
    """
    restart = training.restart_epoch
    if restart is not None:
        part = restart if epoch < restart else training.epochs - restart
        epoch -= 0 if epoch < restart else restart
        training = training.model_copy(update={"epochs": part, "restart": None})
    if epoch < training.warmup_epochs:
        return training.warmup_lr
    progress = (epoch - training.warmup_epochs) / training.epochs
    return training.lr * 0.5 * (1 + math.cos(math.pi * progress))
