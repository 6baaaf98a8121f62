"""What half precision holds, in which files store prompts: up to 65504."""

from __future__ import annotations

import torch
from torch import Tensor

from vlprompt_pipeline.errors import UserError

LARGEST = torch.finfo(torch.float16).max


def halved(values: Tensor) -> Tensor:
    """Return a tensor as files store it unquantized: in float16, or in float32 beyond that."""
    return values.float() if bool((values.abs() > LARGEST).any()) else values.half()


def require_finite(values: Tensor) -> None:
    """Refuse a tensor to be quantized that holds infinity or NaN."""
    if not torch.isfinite(values).all():
        raise UserError(
            "a tensor to be quantized holds values that are not finite: training diverged, lower "
            "training.lr"
        )


def require_half(*stored: Tensor) -> None:
    """Refuse what finite values became in half precision, where it has overflowed."""
    if not all(torch.isfinite(part).all() for part in stored):
        raise UserError(
            f"a tensor to be quantized holds values beyond half precision ({LARGEST:.0f}), which "
            "codebooks are stored in: leave quantize out, or lower training.lr if it was trained"
        )
