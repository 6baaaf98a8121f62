"""The text tower over prompt embeddings: exact, and without computing anything twice.

CLIP's text transformer is causal and is read at the end token only. Hence

* nothing behind the longest end token is computed (prompts are not padded to 77 tokens),
* tokens in front of the class name are the same for every class of a prompt, so they pass
  through the layers once and every class's short suffix attends to their keys and values,
* in the last layer only the end token's query is needed.

`encode_reference` is the tower as open_clip runs it, 77 tokens for every class: the oracle that
tests and benchmarks compare with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Prompts:
    """Prompts of C classes as embeddings without positions: prefix of each group, then suffix.

    Attributes:
        prefix: `[groups, prefix length, width]`; a group is one shared context: a single one for
            CoOp, one per image for image-conditioned prompts, one per sample for variational ones.
        suffix: `[classes, suffix length, width]`, class name to end token, padded with anything.
        lengths: `[classes]` int64, tokens of each suffix up to and with its end token.
        deep: embeddings that replace positions 1..n of the prefix at the input of blocks 1, 2, …;
            each `[groups, n, width]` with n < prefix length.
    """

    prefix: Tensor
    suffix: Tensor
    lengths: Tensor
    deep: Sequence[Tensor] = ()


class TextTower(nn.Module):
    """Frozen text transformer of an open_clip `CLIP`, fed with embeddings instead of tokens."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.blocks = model.transformer.resblocks
        self.positions = model.positional_embedding
        self.ln_final = model.ln_final
        self.projection = model.text_projection
        self.mask = model.attn_mask

    def forward(self, prompts: Prompts) -> Tensor:
        """Text features `[groups, classes, embed]`, not normalised."""
        prefix, suffix = prompts.prefix, prompts.suffix
        groups, shared, _ = prefix.shape
        classes, length, width = suffix.shape
        positions = self.positions.to(suffix.dtype)
        x = prefix + positions[:shared]
        y = (suffix + positions[shared : shared + length]).expand(groups, -1, -1, -1)
        visible = _visible(shared, length, suffix.device)
        end = (prompts.lengths - 1).view(1, classes, 1, 1).expand(groups, -1, 1, width)
        for depth, block in enumerate(self.blocks):
            last = depth == len(self.blocks) - 1
            if 0 < depth <= len(prompts.deep):
                x = _replace(x, prompts.deep[depth - 1])
            heads = block.attn.num_heads
            qx, kx, vx = _project(block, x, heads)
            qy, ky, vy = _project(block, y, heads)
            if last:  # only the end token is read, so only its query and its MLP are computed
                y = y.gather(2, end)
                at_end = (prompts.lengths - 1).view(1, classes, 1, 1, 1)
                qy = qy.gather(3, at_end.expand(groups, -1, heads, 1, qy.shape[-1]))
                mask = visible[prompts.lengths - 1][:, None, None, :]
            else:
                x = _finish(block, x, F.scaled_dot_product_attention(qx, kx, vx, is_causal=True))
                mask = visible
            keys = torch.cat([_for_classes(kx, classes), ky], dim=3)
            values = torch.cat([_for_classes(vx, classes), vy], dim=3)
            attended = F.scaled_dot_product_attention(qy, keys, values, attn_mask=mask)
            y = _finish(block, y, attended)
        return self.ln_final(y[:, :, 0]) @ self.projection

    def with_class_tokens(self, prompts: Prompts, layer: int, tokens: Tensor) -> Tensor:
        """Features `[classes, embed]` of one group whose context is replaced, once and by class.

        At the input of block `layer`, counted from 0, `tokens` `[classes, n, width]` stand in the
        place of positions 1 to n. Before that block the context is the same for all classes.
        """
        classes = len(prompts.suffix)
        x = torch.cat([prompts.prefix.expand(classes, -1, -1), prompts.suffix], dim=1)
        x = x + self.positions[: x.shape[1]].to(x.dtype)
        mask = self.mask[: x.shape[1], : x.shape[1]].to(x.dtype)
        for depth, block in enumerate(self.blocks):
            x = block(_replace(x, tokens) if depth == layer else x, attn_mask=mask)
        end = prompts.prefix.shape[1] + prompts.lengths - 1
        return self.ln_final(x[torch.arange(classes, device=x.device), end]) @ self.projection

    def encode_reference(self, prompts: Prompts) -> Tensor:
        """The same features `[groups, classes, embed]` from full 77-token sequences, slowly."""
        total = self.positions.shape[0]
        features = []
        for group, prefix in enumerate(prompts.prefix):
            shared = len(prefix)
            x = torch.cat([prefix.expand(len(prompts.suffix), -1, -1), prompts.suffix], dim=1)
            x = F.pad(x, (0, 0, 0, total - x.shape[1])) + self.positions.to(x.dtype)
            for depth, block in enumerate(self.blocks):
                if 0 < depth <= len(prompts.deep):
                    deep = prompts.deep[depth - 1][group].expand(len(x), -1, -1)
                    x = torch.cat([x[:, :1], deep, x[:, 1 + deep.shape[1] :]], dim=1)
                x = block(x, attn_mask=self.mask.to(x.dtype))
            end = shared + prompts.lengths - 1
            features.append(self.ln_final(x)[torch.arange(len(x)), end] @ self.projection)
        return torch.stack(features)


def class_chunks(classes: int, size: int) -> Iterator[slice]:
    """Slices of at most `size` classes."""
    return (slice(start, start + size) for start in range(0, classes, size))


def _visible(shared: int, length: int, device: torch.device) -> Tensor:
    """`[length, shared + length]`: suffix token s sees the whole prefix and the suffix up to s."""
    own = torch.ones(length, length, dtype=torch.bool, device=device).tril()
    return torch.cat([own.new_ones(length, shared), own], dim=1)


def _project(block: nn.Module, x: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys, values `[…, heads, tokens, width / heads]` of tokens `[…, tokens, width]`."""
    qkv = F.linear(block.ln_1(x), block.attn.in_proj_weight, block.attn.in_proj_bias)
    return tuple(part.unflatten(-1, (heads, -1)).transpose(-3, -2) for part in qkv.chunk(3, -1))


def _finish(block: nn.Module, x: Tensor, attended: Tensor) -> Tensor:
    """Rest of a residual block after attention: output projection and MLP."""
    x = x + block.ls_1(block.attn.out_proj(attended.transpose(-3, -2).flatten(-2)))
    return x + block.ls_2(block.mlp(block.ln_2(x)))


def _for_classes(x: Tensor, classes: int) -> Tensor:
    """`[groups, …]` seen as `[groups, classes, …]` without a copy."""
    return x.unsqueeze(1).expand(-1, classes, *x.shape[1:])


def _replace(x: Tensor, deep: Tensor) -> Tensor:
    return torch.cat([x[:, :1], deep, x[:, 1 + deep.shape[1] :]], dim=1)
