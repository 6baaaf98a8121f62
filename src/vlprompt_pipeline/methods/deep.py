"""Prompts of several blocks of a tower."""

from __future__ import annotations

import torch
from torch import Generator, nn

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.methods.context import INITIAL_STD


def normal_prompts(
    clip: FrozenClip, count: int, length: int, width: int, generator: Generator
) -> nn.ParameterList:
    """Prompts of `count` blocks, `[length, width]` each, with standard deviation 0.02."""
    drawn = (torch.randn(length, width, generator=generator) for _ in range(count))
    return nn.ParameterList(nn.Parameter((INITIAL_STD * d).to(clip.device)) for d in drawn)


def check_depth(parameter: str, depth: int, tower: nn.Module, clip: FrozenClip) -> None:
    """Refuse more prompted blocks than a tower has.

    Raises:
        ConfigError: naming the parameter and the number of blocks.
    """
    blocks = len(tower.blocks)
    if depth > blocks:
        raise ConfigError(
            f"prompt.{parameter} is {depth}, but {clip.name} has {blocks} blocks in its "
            f"{type(tower).__name__}; give {blocks} or fewer"
        )
