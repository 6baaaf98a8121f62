"""Let towers compute in reduced precision while trained tensors stay in single precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from vlprompt_pipeline.arithmetic import DTYPES, matrix_products, resolve_precision
from vlprompt_pipeline.clip.memory import memory_budget
from vlprompt_pipeline.config import TrainingParameters
from vlprompt_pipeline.methods.base import PromptLearner
from vlprompt_pipeline.training.compilation import can_compile, compiling_pays

# PyTorch's own 65,536 overflows in the first steps, which are then lost: CLIP's logits are scaled
# by 100 already. Our choice.
FIRST_SCALE = 1024.0


@contextmanager
def computing(
    learner: PromptLearner, training: TrainingParameters, steps: int = 0
) -> Iterator[torch.amp.GradScaler]:
    """Let `learner` compute in the precision of `training` within the context.

    Where the run has `steps` enough, the text tower is compiled.

    Yields:
        The scaler of the loss. It does nothing except with `fp16-amp`, where gradients below 6e-8
        would otherwise be zero.
    """
    full_precision_clip = learner.clip
    device, precision = full_precision_clip.device, full_precision_clip.arithmetic.precision
    if training.precision != "auto":
        precision = resolve_precision(training.precision, device.type)
    dtype = DTYPES.get(precision, full_precision_clip.dtype)
    # asked once: in a step it would be one question to the device for each pass of a tower
    memory = memory_budget(device)
    if training.memory_gb is not None:
        memory = int(training.memory_gb * 1e9)
    # A learner reads `self.clip` anew in every step, so it is exchanged for the time of training:
    # the precision is the optimizer's business and stays out of the methods and their stored state.
    learner.clip = full_precision_clip.computing(dtype, memory)
    if compiling_pays(steps, device) and can_compile(device):
        learner.clip.text = learner.clip.text.compiled()
    try:
        with matrix_products(precision == "tf32"):
            yield torch.amp.GradScaler(
                device.type, init_scale=FIRST_SCALE, enabled=precision == "fp16-amp"
            )
    finally:
        learner.clip = full_precision_clip
