"""The tiny CLIP while it trains: open_clip's `CLIP` over a compact token table."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlprompt_pipeline.clip.lazy_libraries import open_clip
from vlprompt_pipeline.demo.config import Architecture
from vlprompt_pipeline.demo.streams import WEIGHTS, stream
from vlprompt_pipeline.demo.tokens import CONTEXT, FULL_VOCABULARY
from vlprompt_pipeline.image_datasets.rendered.palette import SIDE

MEAN = (0.5, 0.5, 0.5)  # of pictures in 0..1; the spread of the rendered world is about 0.27
STD = (0.27, 0.27, 0.27)


def model_config(architecture: Architecture) -> dict:
    """Return `open_clip_config.json`: model and pre-processing as in open_clip's local folders."""
    return {
        "model_cfg": {
            "embed_dim": architecture.embed,
            "quick_gelu": True,
            "vision_cfg": {
                "image_size": SIDE,
                "layers": architecture.vision_layers,
                "width": architecture.width,
                "head_width": architecture.width // architecture.heads,
                "patch_size": architecture.patch,
            },
            "text_cfg": {
                "context_length": CONTEXT,
                "vocab_size": FULL_VOCABULARY,
                "width": architecture.width,
                "heads": architecture.heads,
                "layers": architecture.text_layers,
            },
        },
        "preprocess_cfg": {
            "mean": list(MEAN),
            "std": list(STD),
            "interpolation": "bicubic",
            "resize_mode": "shortest",
            "size": SIDE,
        },
    }


def build(architecture: Architecture, vocabulary: int, seed: int) -> nn.Module:
    """Build a `CLIP` with `vocabulary` token rows and initial weights drawn from `seed`."""
    config = model_config(architecture)["model_cfg"]
    config["text_cfg"]["vocab_size"] = vocabulary
    with torch.random.fork_rng(devices=[]):  # open_clip draws its weights from the global stream
        torch.manual_seed(int(stream(seed, WEIGHTS).integers(2**31)))
        return open_clip.model.CLIP(**config)


def normalise(pictures: np.ndarray) -> Tensor:
    """Convert uint8 `[n, SIDE, SIDE, 3]` to float32 `[n, 3, SIDE, SIDE]`, as open_clip does."""
    scaled = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    return (scaled - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


def encode_text(model: nn.Module, rows: Tensor) -> Tensor:
    """Encode compact rows `[n, length]` as unit text features `[n, embed]`.

    Computes `length` positions instead of 77: attention is causal and the end token is read.
    """
    length = rows.shape[1]
    x = model.token_embedding(rows) + model.positional_embedding[:length]
    x = model.transformer(x, attn_mask=model.attn_mask[:length, :length])
    x = model.ln_final(x[torch.arange(len(rows)), rows.argmax(dim=-1)])
    return F.normalize(x @ model.text_projection, dim=-1)
