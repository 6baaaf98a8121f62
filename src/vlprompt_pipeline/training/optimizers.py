"""Make the optimizers of published recipes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from vlprompt_pipeline.config import TrainingParameters

Parameters = Iterable[nn.Parameter]


def _sgd(parameters: Parameters, training: TrainingParameters) -> Optimizer:
    decay = training.weight_decay
    return SGD(parameters, lr=training.lr, momentum=training.momentum, weight_decay=decay)


def _adam(parameters: Parameters, training: TrainingParameters) -> Optimizer:
    decay = training.weight_decay
    return Adam(parameters, lr=training.lr, eps=training.epsilon, weight_decay=decay)


def _adamw(parameters: Parameters, training: TrainingParameters) -> Optimizer:
    decay = training.weight_decay
    return AdamW(parameters, lr=training.lr, eps=training.epsilon, weight_decay=decay)


OPTIMIZERS: dict[str, Callable[[Parameters, TrainingParameters], Optimizer]] = {
    "sgd": _sgd,
    "adam": _adam,
    "adamw": _adamw,
}


def make_optimizer(learner: nn.Module, training: TrainingParameters) -> Optimizer:
    """Make the optimizer that `training` names, over the trained tensors of `learner`."""
    trained = [parameter for parameter in learner.parameters() if parameter.requires_grad]
    return OPTIMIZERS[training.optimizer](trained, training)
