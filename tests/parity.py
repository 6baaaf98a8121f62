"""Golden numbers of the official implementations on a tiny CLIP, and how to compare with them.

The files under data/parity hold numbers only: inputs, initial values and results of the official
code run in float32 and float64. The weights are exact in bfloat16 and stored so.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from clips import frozen_clip
from vlprompt_pipeline.clip import FrozenClip
from vlprompt_pipeline.clip.lazy_libraries import open_clip

DATA = Path(__file__).parent / "data" / "parity"
TOLERANCE = {"float64": 1e-9, "float32": 5e-5}
TOLERANCE_AFTER = {"float64": 1e-9, "float32": 2e-4}  # gradients, and values after five steps


@dataclass(frozen=True)
class Case:
    """One case: its description, and its tensors by name."""

    about: dict[str, Any]
    tensors: dict[str, Tensor]

    def __call__(self, name: str) -> Tensor:
        """The golden tensor of that name."""
        return self.tensors[name]


def load_case(name: str) -> Case:
    """A case by its file name."""
    about = json.loads((DATA / f"{name}.json").read_text())
    return Case(about, load_file(DATA / f"{name}.safetensors"))


def parity_clip(precision: str) -> FrozenClip:
    """The tiny CLIP of the cases, in float32 or float64."""
    state = load_file(DATA / "tiny_clip.safetensors")
    state = {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
    table = torch.zeros(49408, state["token_embedding.rows"].shape[1])
    table[state.pop("token_embedding.row_ids")] = state.pop("token_embedding.rows")
    model = open_clip.CLIP(**json.loads((DATA / "tiny_clip.json").read_text()))
    model.load_state_dict({**state, "token_embedding.weight": table})
    model.to(getattr(torch, precision))
    return frozen_clip(model, "parity")


def assert_close(ours: Tensor, golden: Tensor, tolerance: float) -> None:
    """Equal up to `tolerance` times the golden tensor's largest element."""
    difference = (ours.double() - golden.double()).abs().max().item()
    assert difference <= tolerance * golden.abs().max().item()
