"""The trained model as a small open_clip folder: fp16, token rows in use only.

`open_clip_model.safetensors` is the state dict of an open_clip `CLIP`, except that
`token_embedding.weight` is replaced by `token_embedding.rows` `[R, width]`, their ids in CLIP's
vocabulary `token_embedding.row_ids` `[R]` and `token_embedding.unseen` `[width]`, the row of every
other id.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from vlprompt_pipeline.clip.forms import OPEN_CLIP_CONFIG, OPEN_CLIP_WEIGHTS
from vlprompt_pipeline.demo.config import Architecture
from vlprompt_pipeline.demo.model import model_config
from vlprompt_pipeline.demo.tokens import UNSEEN
from vlprompt_pipeline.demo.trainer import Trained
from vlprompt_pipeline.filesystem.files import atomic_write, sha256_file


def compact_state(trained: Trained) -> dict[str, Tensor]:
    """Return the tensors of the file: fp16, except `row_ids`, which is int64."""
    state = {name: tensor.half() for name, tensor in trained.model.state_dict().items()}
    table = state.pop("token_embedding.weight")
    state["token_embedding.unseen"] = table[UNSEEN].clone()
    state["token_embedding.rows"] = table[UNSEEN + 1 :].clone()
    state["token_embedding.row_ids"] = torch.tensor(trained.tokens.ids)
    return {name: tensor.contiguous() for name, tensor in sorted(state.items())}


def save_checkpoint(trained: Trained, architecture: Architecture, folder: Path) -> str:
    """Write weights and config into `folder`; returns the weights file's SHA-256."""
    weights = folder / OPEN_CLIP_WEIGHTS
    with atomic_write(weights) as path:
        save_file(compact_state(trained), path)
    with atomic_write(folder / OPEN_CLIP_CONFIG) as path:
        path.write_text(json.dumps(model_config(architecture), indent=2) + "\n", encoding="utf-8")
    return sha256_file(weights)
