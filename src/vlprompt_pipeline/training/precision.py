"""The precision that towers compute in while the tensors being trained stay in single precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from vlprompt_pipeline.config import TrainingParameters
from vlprompt_pipeline.methods.base import PromptLearner

# PyTorch's own 65,536 overflows in the first steps, which are then lost: CLIP's logits are scaled
# by 100 already. Our choice.
FIRST_SCALE = 1024.0
DTYPES = {"bf16": torch.bfloat16, "fp16-amp": torch.float16}


@contextmanager
def computing(
    learner: PromptLearner, training: TrainingParameters
) -> Iterator[torch.amp.GradScaler]:
    """Give `learner` towers in the precision of `training`, and its own back in the end.

    Yields the scaler of the loss, which does nothing but for `fp16-amp`: gradients of half
    precision below 6e-8 would be zero.
    """
    own = learner.clip
    memory = None if training.memory_gb is None else int(training.memory_gb * 1e9)
    learner.clip = own.computing(DTYPES.get(training.precision, own.dtype), memory)
    try:
        scaled = training.precision == "fp16-amp"
        yield torch.amp.GradScaler(own.device.type, init_scale=FIRST_SCALE, enabled=scaled)
    finally:
        learner.clip = own
