"""Which operations the seconds of our CoOp step go to."""

from __future__ import annotations

from typing import Any

from cases import COOP, features, learner, step
from torch.profiler import ProfilerActivity, profile

from vlprompt_pipeline.clip import FrozenClip

KINDS = {
    "matrix products": ("aten::addmm", "aten::mm", "aten::bmm"),
    "attention": ("aten::_scaled_dot_product",),
    "norms": ("aten::native_layer_norm",),
    "activations": ("aten::silu", "aten::mul", "aten::div"),
    "copies": ("aten::copy_", "aten::cat", "aten::gather", "aten::index_select"),
}


def measure(clip: FrozenClip) -> dict[str, Any]:
    """Share of each kind of operation."""
    side, images = learner(clip, "coop", 100, {"length": 16, **COOP}), features(clip, 32)
    step(side, images)
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        for _ in range(10):
            step(side, images)
    events = seen.key_averages()
    total = sum(event.self_cpu_time_total for event in events)
    shares = {
        kind: sum(e.self_cpu_time_total for e in events if e.key.startswith(names)) / total
        for kind, names in KINDS.items()
    }
    return {"shares": shares}
