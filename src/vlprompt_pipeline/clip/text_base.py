"""What both text towers share: their prompts, their weights, and how much passes at once."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from vlprompt_pipeline.clip.blocks import (
    attention_weights,
    in_single,
    is_plain,
    rounded,
    with_attention,
)
from vlprompt_pipeline.clip.memory import Room
from vlprompt_pipeline.clip.packing import SuffixLengths

# Tokens that pass the layers at a time. It decides the bits of a result, so it depends on nothing
# else; on a CPU this many stay in its caches (tests/speed), a GPU wants more at once.
AT_ONCE = {"cpu": 512}
AT_ONCE_ELSEWHERE = 8192
# Numbers that a block keeps for each token to go backward, in widths of a token: inputs of both
# norms (2), queries, keys and values (3), keys and values behind the prefix (3 to 5), attention's
# output (1), the MLP's hidden layer (4), and what an allocator adds: 16 measured (tests/speed).
_KEPT = 16


@dataclass(frozen=True)
class Prompts:
    """Prompts of C classes as embeddings without positions: prefix of each group, then suffix.

    Attributes:
        prefix: `[groups, prefix length, width]`; a group is one shared context: a single one for
            CoOp, one per image for image-conditioned prompts, one per sample for variational ones.
        suffix: `[classes, suffix length, width]`, class name to end token, padded with anything.
        lengths: tokens of each suffix up to and with its end token.
        deep: embeddings that replace the n first positions of the prefix behind the start
            token at the input of blocks 1, 2, …; each `[groups, n, width]`.
    """

    prefix: Tensor
    suffix: Tensor
    lengths: SuffixLengths
    deep: Sequence[Tensor] = ()

    def to(self, dtype: torch.dtype) -> Prompts:
        """Return the same in another precision."""
        deep = [each.to(dtype) for each in self.deep]
        return Prompts(self.prefix.to(dtype), self.suffix.to(dtype), self.lengths, deep)

    def some(self, group: int, classes: slice) -> Prompts:
        """Return those of some classes in one group."""
        deep = [each[group : group + 1] for each in self.deep]
        prefix = self.prefix[group : group + 1]
        return Prompts(prefix, self.suffix[classes], self.lengths[classes], deep)


class TextTowerBase(nn.Module):
    """Weights of the frozen text transformer of an open_clip model, fed with embeddings.

    Attributes:
        blocks: its residual blocks.
        start_tokens: how many tokens stand before a prompt, 0 or 1.
        has_attention_weights: whether `with_attention` works.
        memory: bytes that a pass may keep for the backward pass; None for half of what is free.
        parts: names of the methods that compute, which can be compiled.
    """

    parts: tuple[str, ...] = ()

    def __init__(self, model: nn.Module, start_tokens: int = 1) -> None:
        """Take a `CLIP` or a `CustomTextCLIP`, whose text tower is a module of its own."""
        super().__init__()
        text = getattr(model, "text", model)
        self.blocks = text.transformer.resblocks
        self.positions = text.positional_embedding
        self.ln_final = text.ln_final
        self.projection = text.text_projection
        self.mask = text.attn_mask
        self.start_tokens = start_tokens
        self.has_attention_weights = all(map(is_plain, self.blocks))
        self.memory: int | None = None

    @property
    def dtype(self) -> torch.dtype:
        """Precision it computes in."""
        return self.positions.dtype

    @property
    def embed_dim(self) -> int:
        """Width of its features."""
        if self.projection is None:
            return self.positions.shape[1]
        linear = isinstance(self.projection, nn.Linear)
        return self.projection.out_features if linear else self.projection.shape[1]

    def computing(self, dtype: torch.dtype, memory: int | None) -> Self:
        """Return a tower with the same weights in precision `dtype`, for `memory` bytes."""
        tower = copy.copy(self) if dtype == self.dtype else rounded(self, dtype)
        tower.memory = memory
        return tower

    def compiled(self) -> Self:
        """Return a tower with the same weights whose parts are compiled when they first run."""
        tower = copy.copy(self)
        for part in self.parts:
            setattr(tower, part, torch.compile(getattr(tower, part), dynamic=False))
        return tower

    def attention_weights(self) -> list[Tensor]:
        """Return weights `[3 width, width]` of the queries, keys and values of each block."""
        return attention_weights(self.blocks)

    def with_attention(self, weights: Sequence[Tensor]) -> Self:
        """Return a view of the tower with other such weights, for blocks without options."""
        view = with_attention(self, weights)
        for part in self.parts:  # a compiled part computes with the weights of its own tower
            vars(view).pop(part, None)
        return view

    def with_class_tokens(self, prompts: Prompts, layer: int, tokens: Tensor) -> Tensor:
        """Return features `[classes, embed]` of one group whose context is replaced by class, once.

        At the input of block `layer`, counted from 0, `tokens` `[classes, n, width]` stand in the
        place of the n positions behind the start tokens. Before that block the context is the same
        for all classes.
        """
        prompts, tokens = prompts.to(self.dtype), tokens.to(self.dtype)
        length, room = self._length(prompts), self._room()
        features = []
        for some in slices(len(tokens), self.at_once // length):
            part, need = prompts.some(0, some), self._kept((some.stop - some.start) * length)
            features.append(room.run(self._replaced_at, need, part, layer, tokens[some]))
        return torch.cat(features)

    def _length(self, prompts: Prompts) -> int:
        """Return the tokens of a prompt that pass the blocks."""
        raise NotImplementedError

    def _replaced_at(self, prompts: Prompts, layer: int, tokens: Tensor) -> Tensor:
        """Return `with_class_tokens` for as many classes as pass at once."""
        raise NotImplementedError

    def read(self, ends: Tensor) -> Tensor:
        """Return features of the tokens `[…, width]` that are read, in float32 or better."""
        features = self.ln_final(ends)
        if isinstance(self.projection, nn.Linear):
            features = self.projection(features)
        elif self.projection is not None:
            features = features @ self.projection
        return in_single(features)

    @property
    def at_once(self) -> int:
        """Tokens that pass the layers at a time."""
        return AT_ONCE.get(self.positions.device.type, AT_ONCE_ELSEWHERE)

    def _room(self) -> Room:
        """Return the room of one pass, in which what passes at once can be computed again."""
        return Room(self.memory, self.positions.device, self._kept(self.at_once))

    def _kept(self, tokens: int) -> int:
        """Return bytes that so many tokens keep for the backward pass."""
        width = self.positions.shape[1]
        return tokens * len(self.blocks) * _KEPT * width * self.dtype.itemsize


def slices(count: int, size: int) -> Iterator[slice]:
    """Yield as few slices of at most `size` each as there can be, of nearly equal sizes."""
    parts = -(-count // max(1, size))
    edges = [count * part // parts for part in range(parts + 1)]
    return map(slice, edges, edges[1:])


def some_of(x: Tensor, part: slice) -> Tensor:
    """Return a part of `x`; the whole costs no slice, whose gradient would be a copy."""
    return x if part == slice(0, len(x)) else x[part]


def replace_tokens(x: Tensor, tokens: Tensor, start: int) -> Tensor:
    """Return tokens `[…, tokens, width]` with those from `start` on replaced by `[…, n, width]`."""
    count = tokens.shape[1]
    before, _, behind = x.split([start, count, x.shape[1] - start - count], dim=1)
    return torch.cat([before, tokens, behind], dim=1)
