"""The image tower with prompts: exact, and differentiable with respect to them.

Prompts of block 0 stand behind the patches, after positions were added and before `ln_pre`, and
have no position. Those of block i >= 1 take these places at the input of block i, and what stands
there behind the last prompted block stays (muzairkhattak/multimodal-prompt-learning,
clip/model.py). The tower is read at its class token only, so in the last block nothing but that
token is computed.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlprompt_pipeline.clip._open_clip import open_clip
from vlprompt_pipeline.clip.blocks import finish, project, project_some
from vlprompt_pipeline.errors import ConfigError


class ImageTower(nn.Module):
    """Frozen vision transformer of an open_clip `CLIP`, with room for prompts.

    Attributes:
        width: of a prompt token.
        blocks: its residual blocks.
    """

    def __init__(self, visual: nn.Module, name: str) -> None:
        """Raises ConfigError if the tower of the CLIP `name` is no ViT read at a class token."""
        super().__init__()
        if not _is_plain_vit(visual):
            raise ConfigError(
                "method: its prompts stand in the image tower, which must be a ViT read at its "
                f"class token, but {name} has another ({type(visual).__name__}); give a ViT as "
                "clip.source, or a method that leaves the image tower alone, such as coop"
            )
        self.visual = visual
        self.blocks = visual.transformer.resblocks
        self.width = visual.class_embedding.shape[0]

    def forward(self, pixels: Tensor, prompts: Sequence[Tensor] = ()) -> Tensor:
        """Image features `[images, embed]`, not normalised, in float32 or better.

        Args:
            pixels: `[images, 3, size, size]`, in any precision and on any device.
            prompts: of blocks 0, 1, …, each `[n, width]`, the same for all images.
        """
        visual = self.visual
        x = visual.conv1(pixels.to(visual.conv1.weight)).flatten(2).transpose(1, 2)
        start = visual.class_embedding.to(x.dtype).expand(len(x), 1, -1)
        x = torch.cat([start, x], dim=1) + visual.positional_embedding.to(x.dtype)
        if prompts:
            x = torch.cat([x, _for_images(prompts[0], x)], dim=1)
        x = visual.ln_pre(x)
        for depth, block in enumerate(self.blocks):
            if 0 < depth < len(prompts):
                deep = prompts[depth]
                x = torch.cat([x[:, : -len(deep)], _for_images(deep, x)], dim=1)
            if depth < len(self.blocks) - 1:
                x = finish(block, x, F.scaled_dot_product_attention(*project(block, x)))
            else:
                first = torch.zeros(len(x), 1, dtype=torch.int64, device=x.device)
                q, k, v, x = project_some(block, x, first)
                x = finish(block, x, F.scaled_dot_product_attention(q, k, v))
        features = visual.ln_post(x[:, 0]) @ visual.proj
        return features.to(torch.promote_types(features.dtype, torch.float32))


def _is_plain_vit(visual: nn.Module) -> bool:
    """Whether a tower is computed as CLIP's own ViT is: no pooling, no blocks of another kind."""
    modules = open_clip.transformer
    return (
        isinstance(visual, modules.VisionTransformer)
        and visual.pool_type == "tok"
        and visual.attn_pool is None
        and all(type(b) is modules.ResidualAttentionBlock for b in visual.transformer.resblocks)
    )


def _for_images(prompt: Tensor, x: Tensor) -> Tensor:
    """A prompt `[n, width]` as `[images, n, width]` in the precision of the tokens `x`."""
    return prompt.to(x.dtype).expand(len(x), -1, -1)
