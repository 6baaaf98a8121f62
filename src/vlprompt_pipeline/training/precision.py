"""Let towers compute in reduced precision while trained tensors stay in single precision."""

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
    """Let `learner` compute in the precision of `training` within the context.

    Yields:
        The scaler of the loss. It does nothing except with `fp16-amp`, where gradients below 6e-8
        would otherwise be zero.
    """
    full_precision_clip = learner.clip
    dtype = DTYPES.get(training.precision, full_precision_clip.dtype)
    memory = None if training.memory_gb is None else int(training.memory_gb * 1e9)
    # A learner reads `self.clip` anew in every step, so it is exchanged for the time of training:
    # the precision is the optimizer's business and stays out of the methods and their stored state.
    learner.clip = full_precision_clip.computing(dtype, memory)
    try:
        yield torch.amp.GradScaler(
            full_precision_clip.device.type,
            init_scale=FIRST_SCALE,
            enabled=training.precision == "fp16-amp",
        )
    finally:
        learner.clip = full_precision_clip
