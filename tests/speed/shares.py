"""Which operations the seconds of our CoOp step go to, and why 512 tokens pass at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from cases import COOP, features, learner, step
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from vlprompt_pipeline.clip import FrozenClip

KINDS = {
    "matrix products": ("aten::addmm", "aten::mm", "aten::bmm"),
    "attention": ("aten::_scaled_dot_product",),
    "norms": ("aten::native_layer_norm",),
    "activations": ("aten::silu", "aten::mul", "aten::div"),
    "copies": ("aten::copy_", "aten::cat", "aten::gather", "aten::index_select"),
}
HIDDEN = 2048  # width of the MLP's hidden layer


def measure(clip: FrozenClip, clock: Callable) -> dict[str, Any]:
    """Share of each kind of operation, and microseconds of an activation for a token."""
    side, images = learner(clip, "coop", 100, {"length": 16, **COOP}), features(clip, 32)
    step(side, images)
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        for _ in range(3):
            step(side, images)
    events = seen.key_averages()
    total = sum(event.self_cpu_time_total for event in events)
    shares = {
        kind: sum(e.self_cpu_time_total for e in events if e.key.startswith(names)) / total
        for kind, names in KINDS.items()
    }
    few, many = (_activation(clip, clock, tokens) for tokens in (512, 4096))
    return {"shares": shares, "activation_512": few, "activation_4096": many}


def _activation(clip: FrozenClip, clock: Callable, tokens: int) -> float:
    hidden = torch.randn(tokens, HIDDEN, device=clip.device)
    seconds = sorted(clock(lambda: F.silu(hidden))[0] for _ in range(15))
    return 1e6 * seconds[7] / tokens
