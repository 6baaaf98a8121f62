"""Residual blocks of open_clip's transformers in parts, for towers that walk them themselves."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlprompt_pipeline.clip.lazy_libraries import open_clip

Tower = TypeVar("Tower", bound=nn.Module)

_NORMS = ("ln_1", "ln_2")
_PARTS = ("ln_1", "attn", "ls_1", "ln_2", "mlp", "ls_2")
_QUICK = 1.702  # of QuickGELU, x · sigmoid(1.702 x)


def project(block: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Compute queries `[…, tokens, width]`, and keys beside values `[…, tokens, 2 width]`.

    What is done to keys and values is done once; `attend` takes them apart.
    """
    attn, width = block.attn, x.shape[-1]
    projected = F.linear(block.ln_1(x), attn.in_proj_weight, attn.in_proj_bias)
    return projected.split([width, 2 * width], -1)


def project_some(
    block: nn.Module, x: Tensor, some: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute as `project` does, with queries of `some` of the tokens only.

    The third result is these tokens, `[…, some, width]`.
    """
    attn, width = block.attn, x.shape[-1]
    normed = block.ln_1(x)
    weight_q, weight_pairs = attn.in_proj_weight.split([width, 2 * width])
    bias_q, bias_pairs = attn.in_proj_bias.split([width, 2 * width])
    q = F.linear(some(normed), weight_q, bias_q)
    return q, F.linear(normed, weight_pairs, bias_pairs), some(x)


def attend(
    block: nn.Module, q: Tensor, pairs: Tensor, mask: Tensor | None = None, *, causal: bool = False
) -> Tensor:
    """Return attention `[…, tokens, width]` of queries to keys beside values.

    An additive `mask` `[…, tokens, keys]` may have more columns than there are keys.
    """
    parts, heads = (q, *pairs.chunk(2, -1)), block.attn.num_heads
    by_head = (each.unflatten(-1, (heads, -1)).transpose(-3, -2) for each in parts)
    seen = None if mask is None else mask[..., : pairs.shape[-2]]
    attended = F.scaled_dot_product_attention(*by_head, attn_mask=seen, is_causal=causal)
    return attended.transpose(-3, -2).flatten(-2)


def is_plain(block: nn.Module) -> bool:
    """Tell whether the other functions of this module compute the block: no option changes it."""
    return not isinstance(block, open_clip.transformer.CustomResidualAttentionBlock)


def finish(block: nn.Module, x: Tensor, attended: Tensor) -> Tensor:
    """Return the rest of a block after attention `[…, tokens, width]`: projection and MLP."""
    x = x + block.ls_1(block.attn.out_proj(attended))
    return x + block.ls_2(_mlp(block.mlp, block.ln_2(x)))


def in_single(x: Tensor) -> Tensor:
    """Return numbers in single precision at least."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _mlp(mlp: nn.Sequential, x: Tensor) -> Tensor:
    """Apply QuickGELU as silu(1.702 x) / 1.702.

    One kernel, and one tensor kept for backward, not two.
    """
    if not _is_quick(mlp.gelu):
        return mlp(x)
    return mlp.c_proj(F.silu(_QUICK * mlp.c_fc(x)) / _QUICK)


@torch.no_grad()
def rounded(tower: Tower, dtype: torch.dtype) -> Tower:
    """Return a copy of a frozen tower with weights of fewer bits.

    The factor of QuickGELU moves into the weights around it before they are rounded: what is left
    is SiLU, one operation of a GPU in the place of three.
    """
    copied = copy.deepcopy(tower)
    for mlp in copied.modules():
        if _is_quick(getattr(mlp, "gelu", None)):
            mlp.c_fc.weight.mul_(_QUICK)
            mlp.c_fc.bias.mul_(_QUICK)
            mlp.c_proj.weight.div_(_QUICK)
            mlp.gelu = nn.SiLU()
    return copied.to(dtype)


def _is_quick(activation: object) -> bool:
    # by its name: `torch.compile` cannot look into the import of open_clip
    return type(activation).__name__ == "QuickGELU"


def with_norms(block: nn.Module, values: Tensor) -> SimpleNamespace:
    """View a block with other weights and biases of its norms: `values` as of `norms_of`."""
    changed = {
        name: partial(_normalise, values[2 * i], values[2 * i + 1], getattr(block, name).eps)
        for i, name in enumerate(_NORMS)
    }
    return _view(block, **changed)


def norms_of(block: nn.Module) -> Tensor:
    """Return weights and biases `[4, width]`: of the norm before attention, then before the MLP."""
    parts = [getattr(getattr(block, name), part) for name in _NORMS for part in ("weight", "bias")]
    return torch.stack([part.detach() for part in parts])


def _normalise(weight: Tensor, bias: Tensor, eps: float, x: Tensor) -> Tensor:
    return F.layer_norm(x, (x.shape[-1],), weight, bias, eps)


def attention_weights(blocks: Sequence[nn.Module]) -> list[Tensor]:
    """Return weights `[3 width, width]` of the queries, keys and values of each block."""
    return [block.attn.in_proj_weight for block in blocks]


def with_attention(tower: Tower, weights: Sequence[Tensor]) -> Tower:
    """View a tower with other weights for queries, keys and values of its plain blocks."""
    # A shallow copy shares the weights. Its dictionary of modules is a new one without `blocks`: a
    # module of that name could not be replaced by a list, and the tower itself must not change.
    view = copy.copy(tower)
    view._modules = {n: each for n, each in tower._modules.items() if n != "blocks"}
    view.blocks = [_with_weight(*pair) for pair in zip(tower.blocks, weights, strict=True)]
    return view


def _with_weight(block: nn.Module, weight: Tensor) -> SimpleNamespace:
    attn = block.attn
    adapted = SimpleNamespace(
        in_proj_weight=weight,
        in_proj_bias=attn.in_proj_bias,
        num_heads=attn.num_heads,
        out_proj=attn.out_proj,
    )
    return _view(block, attn=adapted)


def _view(block: nn.Module, **changed: Any) -> SimpleNamespace:
    """Return all that the functions of this module read of a block, some parts of it changed."""
    return SimpleNamespace(**{name: getattr(block, name) for name in _PARTS} | changed)
