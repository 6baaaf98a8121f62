"""Residual blocks of open_clip's transformers in parts, for towers that walk them themselves."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from types import SimpleNamespace
from typing import TypeVar

from torch import Tensor, nn
from torch.nn import functional as F

from vlprompt_pipeline.clip._open_clip import open_clip

Tower = TypeVar("Tower", bound=nn.Module)

_QUICK = 1.702  # of QuickGELU, x · sigmoid(1.702 x)


def project(block: nn.Module, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys, values `[…, heads, tokens, width / heads]` of tokens `[…, tokens, width]`."""
    attn = block.attn
    qkv = F.linear(block.ln_1(x), attn.in_proj_weight, attn.in_proj_bias)
    return tuple(_by_head(part, attn.num_heads) for part in qkv.chunk(3, -1))


def project_some(
    block: nn.Module, x: Tensor, queried: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """As `project`, with queries of the tokens at places `queried` `[…, some]` only.

    The fourth result is these tokens, `[…, some, width]`.
    """
    attn = block.attn
    normed = block.ln_1(x)
    width = x.shape[-1]
    positions = queried[..., None].expand(*queried.shape, width)
    weight_q, weight_kv = attn.in_proj_weight.split([width, 2 * width])
    bias_q, bias_kv = attn.in_proj_bias.split([width, 2 * width])
    q = F.linear(normed.gather(-2, positions), weight_q, bias_q)
    kv = F.linear(normed, weight_kv, bias_kv)
    heads = (_by_head(part, attn.num_heads) for part in (q, *kv.chunk(2, -1)))
    return *heads, x.gather(-2, positions)


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """Attention `[…, heads, tokens, width / heads]`; an additive mask in any precision."""
    return F.scaled_dot_product_attention(q, k, v, None if mask is None else mask.to(q))


def is_plain(block: nn.Module) -> bool:
    """Whether the other functions of this module compute the block: no option changes it."""
    return not isinstance(block, open_clip.transformer.CustomResidualAttentionBlock)


def finish(block: nn.Module, x: Tensor, attended: Tensor) -> Tensor:
    """Rest of a block after attention `[…, heads, tokens, width / heads]`: projection and MLP."""
    x = x + block.ls_1(block.attn.out_proj(attended.transpose(-3, -2).flatten(-2)))
    return x + block.ls_2(_mlp(block.mlp, block.ln_2(x)))


def _by_head(x: Tensor, heads: int) -> Tensor:
    return x.unflatten(-1, (heads, -1)).transpose(-3, -2)


def _mlp(mlp: nn.Sequential, x: Tensor) -> Tensor:
    """QuickGELU as silu(1.702 x) / 1.702: one kernel, and one tensor kept for backward, not two."""
    if not isinstance(mlp.gelu, open_clip.transformer.QuickGELU):
        return mlp(x)
    return mlp.c_proj(F.silu(_QUICK * mlp.c_fc(x)) / _QUICK)


def attention_weights(blocks: Sequence[nn.Module]) -> list[Tensor]:
    """Weights `[3 width, width]` of the queries, keys and values of each block."""
    return [block.attn.in_proj_weight for block in blocks]


def with_attention(tower: Tower, weights: Sequence[Tensor]) -> Tower:
    """A view of a tower whose plain blocks have other weights for queries, keys and values."""
    # A shallow copy shares the weights. Its dictionary of modules is a new one without `blocks`: a
    # module of that name could not be replaced by a list, and the tower itself must not change.
    view = copy.copy(tower)
    view._modules = {n: each for n, each in tower._modules.items() if n != "blocks"}
    view.blocks = [_with_weight(*pair) for pair in zip(tower.blocks, weights, strict=True)]
    return view


def _with_weight(block: nn.Module, weight: Tensor) -> SimpleNamespace:
    """What towers ask of a block."""
    attn = block.attn
    adapted = SimpleNamespace(
        in_proj_weight=weight,
        in_proj_bias=attn.in_proj_bias,
        num_heads=attn.num_heads,
        out_proj=attn.out_proj,
    )
    names = ("ln_1", "ls_1", "ln_2", "mlp", "ls_2")
    return SimpleNamespace(attn=adapted, **{name: getattr(block, name) for name in names})
