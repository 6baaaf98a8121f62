"""Image towers of timm with prompts: the ViT of SigLIP, EVA, EVA-02 and the Perception Encoder.

As in `image`, with the prompts behind the class token: attention asks for no order, and rotary
positions are turned on what stands behind the first tokens, so that prompts have none.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from vlprompt_pipeline.clip.blocks import in_single
from vlprompt_pipeline.clip.image import Options, Tokens, for_images
from vlprompt_pipeline.clip.lazy_libraries import open_clip

_SEPARATE = ("attn.q_proj.weight", "attn.k_proj.weight", "attn.v_proj.weight")
_FUSED = "attn.qkv.weight"
_NORMS = ("norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias")
_BLOCKS = ("Block", "EvaBlock", "EvaBlockPostNorm")


class TimmImageTower(nn.Module):
    """Frozen transformer of timm in open_clip's `TimmModel`; the interface is `ImageTower`'s."""

    has_attention_weights = True

    def __init__(self, visual: nn.Module) -> None:
        """Take a `TimmModel` for which `takes_prompts` holds."""
        super().__init__()
        self.visual = visual
        self.blocks = visual.trunk.blocks
        self.width = visual.trunk.embed_dim
        self.start_tokens = visual.trunk.num_prefix_tokens
        self._weights: tuple[Tensor, ...] | None = None

    def forward(self, pixels: Tensor, prompts: Sequence[Tensor] = ()) -> Tensor:
        """Return image features `[images, embed]`, not normalised, in float32 or better.

        Args:
            pixels: `[images, 3, height, width]`, in any precision and on any device.
            prompts: of blocks 0, 1, …, each `[n, width]`, the same for all images.
        """
        x, options = self._patches(pixels)
        start, count = self.start_tokens, len(prompts[0]) if prompts else 0
        if prompts:
            x = torch.cat([x[:, :start], for_images(prompts[0], x), x[:, start:]], dim=1)
        x = self.visual.trunk.norm_pre(x)
        for depth in range(len(self.blocks)):
            if 0 < depth < len(prompts):
                deep = for_images(prompts[depth], x)
                x = torch.cat([x[:, :start], deep, x[:, start + count :]], dim=1)
            x = self.through(depth, x, options, inserted=count)
        return self.pooled(torch.cat([x[:, :start], x[:, start + count :]], dim=1))

    def begin(self, pixels: Tensor) -> Tokens:
        """Begin as `ImageTower.begin` does; the class token comes first where there is one."""
        x, options = self._patches(pixels)
        return self.visual.trunk.norm_pre(x), options

    def through(
        self,
        depth: int,
        x: Tensor,
        options: Options | None = None,
        *,
        norms: Tensor | None = None,
        inserted: int = 0,
    ) -> Tensor:
        """Compute as `ImageTower.through` does, all tokens; inserted ones have no position."""
        block, changed = _with_later_positions(self.blocks[depth], inserted), {}
        if self._weights is not None:
            weights = _attention(block)
            parts = self._weights[depth].split([len(weight) for weight in weights.values()])
            changed |= dict(zip(weights, parts, strict=True))
        if norms is not None:
            changed |= dict(zip(_NORMS, norms, strict=True))
        options = options or {}
        return functional_call(block, changed, (x,), options) if changed else block(x, **options)

    def read_of(self, depth: int, x: Tensor, inserted: int = 0) -> Tensor:
        """Return those of the tokens before a block that are read behind it: all."""
        return x

    def first_norm(self, depth: int) -> nn.Module:
        """Find the norm before the attention of a block, or behind it where it stands there."""
        return self.blocks[depth].norm1

    def norms_of(self, depth: int) -> Tensor:
        """Return weight and bias of both norms of a block, `[4, width]`."""
        parameters = dict(self.blocks[depth].named_parameters())
        return torch.stack([parameters[name].detach() for name in _NORMS])

    def pooled(self, x: Tensor) -> Tensor:
        """Return features `[images, embed]` of the tower's own tokens behind the last block."""
        trunk = self.visual.trunk
        return in_single(self.visual.head(trunk.forward_head(trunk.norm(x))))

    def last_norm(self, x: Tensor) -> Tensor:
        """Return tokens `[…, width]` behind the last block, as they are before the projection."""
        return self.visual.trunk.fc_norm(self.visual.trunk.norm(x))

    def projection(self) -> tuple[Tensor, Tensor | None]:
        """Return the map `[width, embed]` into the joint space and its bias, or the identity."""
        last = last_linear(self.visual)
        if last is None:
            return torch.eye(self.width).to(next(self.visual.parameters())), None
        return last[1].weight.T, last[1].bias

    def attention_weights(self) -> list[Tensor]:
        """Return weights `[3 width, width]` of the queries, keys and values of each block."""
        return [torch.cat(list(_attention(block).values())) for block in self.blocks]

    def with_attention(self, weights: Sequence[Tensor]) -> TimmImageTower:
        """Return a view of the tower with other such weights."""
        view = copy.copy(self)
        view._weights = tuple(weights)
        return view

    def _patches(self, pixels: Tensor) -> Tokens:
        trunk = self.visual.trunk
        x = trunk._pos_embed(trunk.patch_embed(pixels.to(next(trunk.parameters()))))
        return (x[0], {"rope": x[1]}) if isinstance(x, tuple) else (x, {})


def last_linear(visual: nn.Module) -> tuple[str, nn.Linear] | None:
    """Find the linear map into the joint space at the end of a `TimmModel`, and its path."""
    paths = ("head.proj",) if len(visual.head) else ("trunk.head", "trunk.head.fc")
    for path in paths:
        part: nn.Module | None = visual
        for name in path.split("."):
            part = getattr(part, name, None)
        if isinstance(part, nn.Linear):
            return path, part
    return None


def takes_prompts(visual: nn.Module) -> bool:
    """Tell whether an image tower is a plain transformer of timm with convolved patches."""
    if not isinstance(visual, open_clip.timm_model.TimmModel):
        return False
    timm, trunk = open_clip.timm_model.timm, visual.trunk
    return (
        type(trunk) in (timm.models.VisionTransformer, timm.models.Eva)
        and isinstance(trunk.patch_embed, timm.layers.PatchEmbed)
        and all(type(block).__name__ in _BLOCKS for block in trunk.blocks)
        and not getattr(trunk, "rope_mixed", False)
    )


def _attention(block: nn.Module) -> dict[str, Tensor]:
    """Return weights of queries, keys and values by name in the block: one tensor, or three."""
    parameters = dict(block.named_parameters())
    names = (_FUSED,) if _FUSED in parameters else _SEPARATE
    return {name: parameters[name] for name in names}


def _with_later_positions(block: nn.Module, count: int) -> nn.Module:
    """Return a view of the block whose rotary positions begin `count` tokens later."""
    if not count or not hasattr(block.attn, "num_prefix_tokens"):
        return block
    # Shallow copies share the weights; a new dictionary of modules leaves the block as it is.
    view, attn = copy.copy(block), copy.copy(block.attn)
    attn.num_prefix_tokens += count
    view._modules = {**block._modules, "attn": attn}
    return view
