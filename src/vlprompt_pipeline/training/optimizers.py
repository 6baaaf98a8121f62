"""Make the optimizers of published recipes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from vlprompt_pipeline.config import TrainingParameters
from vlprompt_pipeline.errors import ConfigError

Parameters = Iterable[nn.Parameter]

# Adam's first steps on CUDA are taken before one is recorded, which is no reason to warn.
warnings.filterwarnings("ignore", "This instance was constructed with capturable=True")


def _sgd(parameters: Parameters, training: TrainingParameters, **how: Any) -> Optimizer:
    decay = training.weight_decay
    return SGD(parameters, momentum=training.momentum, weight_decay=decay, **how)


def _adam(
    kind: type[Optimizer], parameters: Parameters, training: TrainingParameters, **how: Any
) -> Optimizer:
    return kind(parameters, eps=training.epsilon, weight_decay=training.weight_decay, **how)


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "sgd": _sgd,
    "adam": partial(_adam, Adam),
    "adamw": partial(_adam, AdamW),
}


def make_optimizer(learner: nn.Module, training: TrainingParameters) -> Optimizer:
    """Make the optimizer that `training` names, over the trained tensors of `learner`.

    Raises:
        ConfigError: it has none.

    On CUDA the learning rate and the number of steps are where the tensors are, so that a step
    needs nothing of the host.
    """
    trained = [parameter for parameter in learner.parameters() if parameter.requires_grad]
    if not trained:
        raise ConfigError(
            f"training: {type(learner).__name__} has nothing to train; leave training out of its "
            "recipe, or set it to null"
        )
    device = trained[0].device
    make = OPTIMIZERS[training.optimizer]
    if device.type != "cuda":
        return make(trained, training, lr=training.lr)
    # PyTorch's fused optimizers are those that leave out a step on the device where a scaled
    # gradient is infinite; the others ask the host.
    how: dict[str, Any] = {"lr": torch.tensor(training.lr, device=device), "fused": True}
    if training.optimizer != "sgd":
        how["capturable"] = True
    return make(trained, training, **how)


def set_rate(optimizer: Optimizer, rate: float) -> None:
    """Set the learning rate of all tensors; one that is on a device changes in its place."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
