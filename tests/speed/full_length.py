"""The causal text tower as open_clip runs it: what tests and benchmarks compare ours with."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from vlprompt_pipeline.clip import Prompts, TextTower
from vlprompt_pipeline.clip.text_base import replace_tokens


def encode_reference(tower: TextTower, prompts: Prompts) -> Tensor:
    """Features `[groups, classes, embed]` of whole sequences, 77 tokens for every class."""
    total = tower.positions.shape[0]
    mask = tower.mask.to(prompts.prefix.device, prompts.prefix.dtype)
    features = []
    for group, prefix in enumerate(prompts.prefix):
        shared = len(prefix)
        x = torch.cat([prefix.expand(len(prompts.suffix), -1, -1), prompts.suffix], dim=1)
        x = F.pad(x, (0, 0, 0, total - x.shape[1])) + tower.positions.to(x.dtype)
        for depth, block in enumerate(tower.blocks):
            if 0 < depth <= len(prompts.deep):
                deep = prompts.deep[depth - 1][group].expand(len(x), -1, -1)
                x = replace_tokens(x, deep, tower.start_tokens)
            x = block(x, attn_mask=mask)
        end = shared + prompts.lengths.on(x.device) - 1
        features.append(tower.read(x[torch.arange(len(x), device=x.device), end]))
    return torch.stack(features)
