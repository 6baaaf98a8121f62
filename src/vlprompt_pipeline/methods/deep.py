"""Prompts of several blocks of a tower."""

from __future__ import annotations

import logging

import torch
from torch import Generator, nn

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.methods.context import INITIAL_STD

logger = logging.getLogger(__name__)


def normal_prompts(
    clip: FrozenClip, count: int, length: int, width: int, generator: Generator
) -> nn.ParameterList:
    """Return prompts of `count` blocks, `[length, width]` each, with standard deviation 0.02."""
    drawn = (torch.randn(length, width, generator=generator) for _ in range(count))
    return nn.ParameterList(nn.Parameter((INITIAL_STD * d).to(clip.device)) for d in drawn)


def prompted_blocks(parameter: str, depth: int, tower: nn.Module, clip: FrozenClip) -> int:
    """Cut a recipe's depth to the blocks that a tower has, and say so in the log.

    Published depths are those of towers of 12 blocks; a shallower tower is prompted in all of its
    blocks (our choice).
    """
    blocks = len(tower.blocks)
    if depth > blocks:
        logger.warning(
            "prompt.%s is %d, but %s has %d blocks in its %s: all of them are prompted",
            parameter,
            depth,
            clip.name,
            blocks,
            type(tower).__name__,
        )
    return min(depth, blocks)
