"""Image towers with prompts: exact, and differentiable with respect to them.

Prompts of block 0 stand beside the patches, after positions were added and before the first norm,
and have no position. Those of block i >= 1 take these places at the input of block i, and what
stands there behind the last prompted block stays (muzairkhattak/multimodal-prompt-learning,
clip/model.py). A tower that pools over patches pools over these alone, not over prompts (our
choice: the published methods know towers with a class token only).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vlprompt_pipeline.clip.blocks import (
    attend,
    attention_weights,
    finish,
    in_single,
    is_plain,
    norms_of,
    project,
    project_some,
    with_attention,
    with_norms,
)
from vlprompt_pipeline.clip.lazy_libraries import open_clip

Options = dict[str, Any]
Tokens = tuple[Tensor, Options]


class ImageTower(nn.Module):
    """Frozen vision transformer of open_clip, with room for prompts.

    Attributes:
        blocks: its residual blocks.
        width: of a prompt token.
        start_tokens: that stand before the patches.
        has_attention_weights: whether `with_attention` works.
    """

    start_tokens = 1

    def __init__(self, visual: nn.Module) -> None:
        """Take a `VisionTransformer` of open_clip."""
        super().__init__()
        self.visual = visual
        self.blocks = visual.transformer.resblocks
        self.width = visual.class_embedding.shape[0]
        self.has_attention_weights = all(map(is_plain, self.blocks))
        at_class_token = visual.pool_type == "tok" and visual.attn_pool is None
        self._read_first = at_class_token and self.has_attention_weights

    def forward(self, pixels: Tensor, prompts: Sequence[Tensor] = ()) -> Tensor:
        """Return image features `[images, embed]`, not normalised, in float32 or better.

        Args:
            pixels: `[images, 3, height, width]`, in any precision and on any device.
            prompts: of blocks 0, 1, …, each `[n, width]`, the same for all images.
        """
        x = self._patches(pixels)
        length = x.shape[1]
        if prompts:
            x = torch.cat([x, for_images(prompts[0], x)], dim=1)
        x = self.visual.ln_pre(x)
        for depth in range(len(self.blocks)):
            if 0 < depth < len(prompts):
                x = torch.cat([x[:, :length], for_images(prompts[depth], x)], dim=1)
            x = self.through(depth, x)
        return self.pooled(x if self._read_first else x[:, :length])

    def begin(self, pixels: Tensor) -> Tokens:
        """Return tokens at the input of the first block, and what `through` needs beside them.

        Tokens are `[images, tokens, width]`, the class token first.
        """
        return self.visual.ln_pre(self._patches(pixels)), {}

    def through(
        self,
        depth: int,
        x: Tensor,
        options: Options | None = None,
        *,
        norms: Tensor | None = None,
        inserted: int = 0,
    ) -> Tensor:
        """Return tokens behind a block, of the last one those alone that are read.

        Args:
            depth: number of the block.
            x: tokens `[images, tokens, width]` before it.
            options: what `begin` gave beside the tokens.
            norms: `[4, width]` in the place of the block's own, see `norms_of`.
            inserted: tokens that stand behind the class token and are read as it is.
        """
        block = self.blocks[depth] if norms is None else with_norms(self.blocks[depth], norms)
        if not self.has_attention_weights:
            return block(x)
        read = self.read_of(depth, x, inserted).shape[1]
        if read == x.shape[1]:
            q, pairs = project(block, x)
        else:  # what is not read is not computed either
            q, pairs, x = project_some(block, x, lambda tokens: tokens[:, :read])
        return finish(block, x, attend(block, q, pairs))

    def read_of(self, depth: int, x: Tensor, inserted: int = 0) -> Tensor:
        """Return those of the tokens before a block that are read behind it."""
        last = depth == len(self.blocks) - 1
        return x[:, : 1 + inserted] if last and self._read_first else x

    def first_norm(self, depth: int) -> nn.Module:
        """Return the norm before the attention of a block."""
        return self.blocks[depth].ln_1

    def norms_of(self, depth: int) -> Tensor:
        """Return weight and bias of both norms of a block, `[4, width]`."""
        return norms_of(self.blocks[depth])

    def pooled(self, x: Tensor) -> Tensor:
        """Return features `[images, embed]` of the tower's own tokens behind the last block."""
        visual = self.visual
        features = visual.ln_post(x[:, 0]) if self._read_first else visual._pool(x)[0]
        return in_single(features @ visual.proj)

    def last_norm(self, x: Tensor) -> Tensor:
        """Return tokens `[…, width]` behind the last block, as they are before the projection."""
        return self.visual.ln_post(x)

    def projection(self) -> tuple[Tensor, Tensor | None]:
        """Return the map `[width, embed]` into the joint space, and its bias."""
        return self.visual.proj, None

    def _patches(self, pixels: Tensor) -> Tensor:
        visual = self.visual
        x = visual.conv1(pixels.to(visual.conv1.weight)).flatten(2).transpose(1, 2)
        # by shape, not len(), which ONNX export would take for a constant; so below
        start = visual.class_embedding.to(x.dtype).expand(x.shape[0], 1, -1)
        return torch.cat([start, x], dim=1) + visual.positional_embedding.to(x.dtype)

    def attention_weights(self) -> list[Tensor]:
        """Return weights `[3 width, width]` of the queries, keys and values of each block."""
        return attention_weights(self.blocks)

    def with_attention(self, weights: Sequence[Tensor]) -> ImageTower:
        """Return a view of the tower with other such weights."""
        return with_attention(self, weights)


def takes_prompts(visual: nn.Module) -> bool:
    """Tell whether an image tower is a vision transformer of open_clip."""
    return isinstance(visual, open_clip.transformer.VisionTransformer)


def for_images(prompt: Tensor, x: Tensor) -> Tensor:
    """Return a prompt `[n, width]` as `[images, n, width]` in the precision of the tokens `x`."""
    return prompt.to(x.dtype).expand(x.shape[0], -1, -1)
