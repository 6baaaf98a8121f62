"""Image towers with prompts: exact, and differentiable with respect to them.

Prompts of block 0 stand beside the patches, after positions were added and before the first norm,
and have no position. Those of block i >= 1 take these places at the input of block i, and what
stands there behind the last prompted block stays (muzairkhattak/multimodal-prompt-learning,
clip/model.py). A tower that pools over patches pools over these alone, not over prompts (our
choice: the published methods know towers with a class token only).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlprompt_pipeline.clip._open_clip import open_clip
from vlprompt_pipeline.clip.blocks import (
    attention_weights,
    finish,
    is_plain,
    project,
    project_some,
    with_attention,
)


class ImageTower(nn.Module):
    """Frozen vision transformer of open_clip, with room for prompts.

    Attributes:
        blocks: its residual blocks.
        width: of a prompt token.
        has_attention_weights: whether `with_attention` works.
    """

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
        """Image features `[images, embed]`, not normalised, in float32 or better.

        Args:
            pixels: `[images, 3, height, width]`, in any precision and on any device.
            prompts: of blocks 0, 1, …, each `[n, width]`, the same for all images.
        """
        visual = self.visual
        x = visual.conv1(pixels.to(visual.conv1.weight)).flatten(2).transpose(1, 2)
        start = visual.class_embedding.to(x.dtype).expand(len(x), 1, -1)
        x = torch.cat([start, x], dim=1) + visual.positional_embedding.to(x.dtype)
        length = x.shape[1]
        if prompts:
            x = torch.cat([x, for_images(prompts[0], x)], dim=1)
        x = visual.ln_pre(x)
        for depth, block in enumerate(self.blocks):
            if 0 < depth < len(prompts):
                x = torch.cat([x[:, :length], for_images(prompts[depth], x)], dim=1)
            if not self.has_attention_weights:
                x = block(x)
            elif depth < len(self.blocks) - 1 or not self._read_first:
                x = finish(block, x, F.scaled_dot_product_attention(*project(block, x)))
            else:  # the class token alone is read, so nothing else is computed
                first = torch.zeros(len(x), 1, dtype=torch.int64, device=x.device)
                q, k, v, x = project_some(block, x, first)
                x = finish(block, x, F.scaled_dot_product_attention(q, k, v))
        features = visual.ln_post(x[:, 0]) if self._read_first else visual._pool(x[:, :length])[0]
        return in_single(features @ visual.proj)

    def attention_weights(self) -> list[Tensor]:
        """Weights `[3 width, width]` of the queries, keys and values of each block."""
        return attention_weights(self.blocks)

    def with_attention(self, weights: Sequence[Tensor]) -> ImageTower:
        """A view of the tower with other such weights."""
        return with_attention(self, weights)


def takes_prompts(visual: nn.Module) -> bool:
    """Whether an image tower is a vision transformer of open_clip."""
    return isinstance(visual, open_clip.transformer.VisionTransformer)


def for_images(prompt: Tensor, x: Tensor) -> Tensor:
    """A prompt `[n, width]` as `[images, n, width]` in the precision of the tokens `x`."""
    return prompt.to(x.dtype).expand(len(x), -1, -1)


def in_single(features: Tensor) -> Tensor:
    """Features in single precision at least."""
    return features.to(torch.promote_types(features.dtype, torch.float32))
