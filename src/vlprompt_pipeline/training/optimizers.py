"""Make the optimizers of published recipes."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from vlprompt_pipeline.config import TrainingParameters
from vlprompt_pipeline.errors import ConfigError

# Adam's first steps on CUDA are taken before one is recorded, which is no reason to warn.
warnings.filterwarnings("ignore", "This instance was constructed with capturable=True")


OPTIMIZERS: dict[str, type[Optimizer]] = {"sgd": SGD, "adam": Adam, "adamw": AdamW}


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
    device, sgd = trained[0].device, training.optimizer == "sgd"
    options: dict[str, Any] = {"lr": training.lr, "weight_decay": training.weight_decay}
    options |= {"momentum": training.momentum} if sgd else {"eps": training.epsilon}
    if device.type == "cuda":
        # PyTorch's fused optimizers are those that leave out a step on the device where a scaled
        # gradient is infinite; the others ask the host.
        options |= {"lr": torch.tensor(training.lr, device=device), "fused": True}
        options |= {} if sgd else {"capturable": True}
    return OPTIMIZERS[training.optimizer](trained, **options)


def set_rate(optimizer: Optimizer, rate: float) -> None:
    """Set the learning rate of all tensors; one that is on a device changes in its place."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
