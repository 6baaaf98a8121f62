"""Both towers block by block, for methods that change what happens inside of them.

A method acts in two ways. Its `Step` says what leaves a block: the block itself, with other norms,
or with something added; it meets each token by itself. Its `Enter` puts tokens in between, behind
the start token of a text and the class token of an image. What neither does is computed as
`TextTower` and `ImageTower` do, so that only tokens that are read later are computed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.clip.image import Tokens
from vlprompt_pipeline.errors import ConfigError


@dataclass(frozen=True)
class Passing:
    """Tokens at a block.

    Attributes:
        run: gives the tokens behind the block that are read later, `[…, width]`; with `[4, width]`
            given, these are weight and bias of its norms.
        normed: gives the same tokens before the block, behind its first norm.
    """

    run: Callable[..., Tensor]
    normed: Callable[[], Tensor]


Step = Callable[[int, Passing], Tensor]
"""From the number of a block, counted from 0, and the tokens at it to what leaves it."""

Enter = Callable[[int, Tensor, int], Tensor]
"""From the number of a block, tokens `[…, tokens, width]` before it and the number of start tokens
to the tokens that enter it."""


def plain(depth: int, passing: Passing) -> Tensor:
    """Leave a block as it is."""
    return passing.run()


def blocks_from(first: int, clip: FrozenClip) -> int:
    """Count the blocks that both towers have, from `first` on, counted from 0.

    Raises:
        ConfigError: there are none, or the image tower is no plain transformer.
    """
    clip.require_attention_weights()
    blocks = min(len(clip.text.blocks), len(clip.image.blocks))
    if first >= blocks:
        raise ConfigError(
            f"prompt.first_block is {first}, but {clip.name} has {blocks} blocks, counted from 0: "
            f"give {blocks - 1} or less"
        )
    return blocks - first


@dataclass(frozen=True)
class WalkedImages:
    """Images at the input of a block, all blocks before which are those of the frozen CLIP."""

    clip: FrozenClip
    tokens: Tokens
    depth: int

    @classmethod
    def begin(cls, clip: FrozenClip, pixels: Tensor, depth: int = 0) -> WalkedImages:
        """Take pixels `[images, 3, height, width]` to a block."""
        x, options = clip.image.begin(pixels)
        for number in range(depth):
            x = clip.image.through(number, x, options)
        return cls(clip, (x, options), depth)

    def features(
        self, step: Step = plain, enter: Enter | None = None, inserted: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Return normalised features `[images, embed]`, and inserted tokens behind the last block.

        The tokens are `[images, inserted, width]`, as they are before the projection.

        Args:
            step: what the method does at blocks.
            enter: what it puts in between.
            inserted: how many tokens that are.
        """
        tower, x = self.clip.image, self.tokens[0]
        start = tower.start_tokens
        for depth in range(self.depth, len(tower.blocks)):
            x = x if enter is None else enter(depth, x, start)
            x = step(depth, self._passing(depth, x, x.shape[1] - self.tokens[0].shape[1]))
        remaining = torch.cat([x[:, :start], x[:, start + inserted :]], dim=1) if inserted else x
        features = F.normalize(tower.pooled(remaining), dim=-1)
        return features, tower.last_norm(x[:, start : start + inserted])

    def _passing(self, depth: int, x: Tensor, inserted: int) -> Passing:
        tower, options = self.clip.image, self.tokens[1]

        def run(norms: Tensor | None = None) -> Tensor:
            norms = None if norms is None else norms.to(x.dtype)
            return tower.through(depth, x, options, norms=norms, inserted=inserted)

        def normed() -> Tensor:
            return tower.first_norm(depth)(tower.read_of(depth, x, inserted))

        return Passing(run, normed)
