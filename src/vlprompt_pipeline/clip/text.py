"""The text tower over prompt embeddings: exact, and without computing anything twice.

CLIP's text transformer is causal and is read at the end token only. Hence

* nothing behind the end token is computed: the suffixes of the classes, from class name to end
  token, are packed into rows without padding,
* tokens in front of the class name are the same for every class of a prompt, so they pass
  through the layers once and every suffix attends to their keys and values,
* in the last layer only the end token's query is needed.

Prompts that share nothing but the start token (contexts of each class, names in front) are the
case of a prefix of one token. `encode_reference` is the tower as open_clip runs it, 77 tokens for
every class: the oracle that tests and benchmarks compare with.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlprompt_pipeline.clip.blocks import finish, project, project_some
from vlprompt_pipeline.clip.memory import Room
from vlprompt_pipeline.clip.packing import Packing, pack

# Tokens that pass the layers at a time. It decides the bits of a result, so it depends on nothing
# else; on a CPU this many stay in its caches (tests/speed), a GPU wants more at once.
_AT_ONCE = {"cpu": 512}
_AT_ONCE_ELSEWHERE = 8192
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
        lengths: `[classes]` int64, tokens of each suffix up to and with its end token; on the
            CPU, since it is read in each pass.
        deep: embeddings that replace positions 1..n of the prefix at the input of blocks 1, 2, …;
            each `[groups, n, width]` with n < prefix length.
    """

    prefix: Tensor
    suffix: Tensor
    lengths: Tensor
    deep: Sequence[Tensor] = ()

    def to(self, dtype: torch.dtype) -> Prompts:
        """The same in another precision."""
        deep = [each.to(dtype) for each in self.deep]
        return Prompts(self.prefix.to(dtype), self.suffix.to(dtype), self.lengths, deep)


class TextTower(nn.Module):
    """Frozen text transformer of an open_clip `CLIP`, fed with embeddings instead of tokens.

    Attributes:
        memory: bytes that a pass may keep for the backward pass; none for half of what is free.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.blocks = model.transformer.resblocks
        self.positions = model.positional_embedding
        self.ln_final = model.ln_final
        self.projection = model.text_projection
        self.mask = model.attn_mask
        self.memory: int | None = None

    @property
    def dtype(self) -> torch.dtype:
        """Precision it computes in."""
        return self.projection.dtype

    def computing(self, dtype: torch.dtype, memory: int | None) -> TextTower:
        """A tower with the same weights in precision `dtype`, for `memory` bytes."""
        tower = copy.copy(self) if dtype == self.dtype else copy.deepcopy(self).to(dtype)
        tower.memory = memory
        return tower

    def forward(self, prompts: Prompts) -> Tensor:
        """Text features `[groups, classes, embed]`, not normalised, in float32 or better."""
        prompts = prompts.to(self.dtype)
        groups, shared, width = prompts.prefix.shape
        packing = pack(prompts.lengths.tolist(), width, prompts.suffix.device)
        words = self._words(prompts, packing)
        visible = packing.visible(shared)
        at_once = _AT_ONCE.get(words.device.type, _AT_ONCE_ELSEWHERE)
        room = Room(self.memory, words.device)
        room.reserve(self._kept(at_once))
        prefix = prompts.prefix + self.positions[:shared]
        features = []
        for some in _slices(groups, at_once // shared):
            deep = [each[some] for each in prompts.deep]
            need = self._kept(prefix[some].shape[0] * shared)
            keys = room.run(self._prefix, need, prefix[some], *deep)
            for part, rows in _chunks(len(prefix[some]), words, at_once):
                first, last = packing.first[rows.start], packing.first[rows.stop]
                tensors = (
                    words[rows],
                    visible[rows],
                    packing.ends[rows],
                    packing.filled[first:last] - rows.start * packing.ends.shape[1],
                    *(each[part] for each in keys),
                )
                need = self._kept((part.stop - part.start) * words[rows][..., 0].numel())
                features.append(room.run(self._suffix, need, *tensors))
        return torch.cat(features).unflatten(0, (groups, -1)).index_select(1, packing.order)

    def _words(self, prompts: Prompts, packing: Packing) -> Tensor:
        """Suffixes with positions, packed: `[rows, length, width]`."""
        shared, length = prompts.prefix.shape[1], prompts.suffix.shape[1]
        placed = prompts.suffix + self.positions[shared : shared + length]
        longest = int(prompts.lengths.max())
        packed = placed[:, :longest].flatten(0, 1).index_select(0, packing.tokens.flatten())
        return packed.unflatten(0, packing.tokens.shape)

    def _prefix(self, x: Tensor, *deep: Tensor) -> tuple[Tensor, ...]:
        """Keys and values of each block in turn, each `[groups, heads, prefix length, …]`."""
        found: list[Tensor] = []
        for depth, block in enumerate(self.blocks):
            if 0 < depth <= len(deep):
                x = _replace(x, deep[depth - 1])
            q, k, v = project(block, x)
            found += (k, v)
            if depth < len(self.blocks) - 1:
                x = finish(block, x, F.scaled_dot_product_attention(q, k, v, is_causal=True))
        return tuple(found)

    def _suffix(
        self, words: Tensor, visible: Tensor, ends: Tensor, filled: Tensor, *keys: Tensor
    ) -> Tensor:
        """Features `[groups · classes, embed]` of some rows, behind the keys of some groups."""
        groups, rows = len(keys[0]), len(words)
        y = words.expand(groups, -1, -1, -1).flatten(0, 1)
        mask = _additive(visible, y.dtype).expand(groups, -1, -1, -1).flatten(0, 1)
        for depth, block in enumerate(self.blocks):
            if depth < len(self.blocks) - 1:
                y = finish(block, y, _attend(project(block, y), keys, depth, mask, rows))
        # of the last block only what the end tokens ask for
        asked = ends.expand(groups, -1, -1).flatten(0, 1)
        q, k, v, y = project_some(block, y, asked)
        mask = mask.gather(1, asked[..., None].expand(-1, -1, mask.shape[-1]))
        attended = _attend((q, k, v), keys, depth, mask, rows).transpose(1, 2).flatten(0, 1)
        steps = torch.arange(groups, device=filled.device) * ends.numel()
        chosen = (steps[:, None] + filled).flatten()
        y = y.flatten(0, 1).index_select(0, chosen)[:, None]
        y = finish(block, y, attended.index_select(0, chosen)[:, :, None])
        return self._read(y[:, 0])

    def _kept(self, tokens: int) -> int:
        """Bytes that so many tokens keep for the backward pass."""
        width = self.positions.shape[1]
        return tokens * len(self.blocks) * _KEPT * width * self.dtype.itemsize

    def with_class_tokens(self, prompts: Prompts, layer: int, tokens: Tensor) -> Tensor:
        """Features `[classes, embed]` of one group whose context is replaced, once and by class.

        At the input of block `layer`, counted from 0, `tokens` `[classes, n, width]` stand in the
        place of positions 1 to n. Before that block the context is the same for all classes.
        """
        prompts, tokens = prompts.to(self.dtype), tokens.to(self.dtype)
        length = prompts.prefix.shape[1] + prompts.suffix.shape[1]
        at_once = _AT_ONCE.get(tokens.device.type, _AT_ONCE_ELSEWHERE)
        room = Room(self.memory, tokens.device)
        room.reserve(self._kept(at_once))
        features = []
        for some in _slices(len(tokens), at_once // length):
            part = Prompts(prompts.prefix, prompts.suffix[some], prompts.lengths[some])
            need = self._kept(len(part.suffix) * length)
            features.append(room.run(self._replaced_at, need, part, layer, tokens[some]))
        return torch.cat(features)

    def _replaced_at(self, prompts: Prompts, layer: int, tokens: Tensor) -> Tensor:
        """`with_class_tokens` for some classes."""
        classes = len(prompts.suffix)
        x = torch.cat([prompts.prefix.expand(classes, -1, -1), prompts.suffix], dim=1)
        x = x + self.positions[: x.shape[1]]
        mask = self.mask[: x.shape[1], : x.shape[1]].to(x)
        for depth, block in enumerate(self.blocks):
            x = block(_replace(x, tokens) if depth == layer else x, attn_mask=mask)
        end = prompts.prefix.shape[1] + prompts.lengths - 1
        return self._read(x[torch.arange(classes), end])

    def _read(self, ends: Tensor) -> Tensor:
        """Features of end tokens `[…, width]`, in single precision at least."""
        features = self.ln_final(ends) @ self.projection
        return features.to(torch.promote_types(features.dtype, torch.float32))

    def encode_reference(self, prompts: Prompts) -> Tensor:
        """The same features `[groups, classes, embed]` from full 77-token sequences, slowly."""
        total = self.positions.shape[0]
        mask = self.mask.to(prompts.prefix.device, prompts.prefix.dtype)
        features = []
        for group, prefix in enumerate(prompts.prefix):
            shared = len(prefix)
            x = torch.cat([prefix.expand(len(prompts.suffix), -1, -1), prompts.suffix], dim=1)
            x = F.pad(x, (0, 0, 0, total - x.shape[1])) + self.positions.to(x.dtype)
            for depth, block in enumerate(self.blocks):
                if 0 < depth <= len(prompts.deep):
                    x = _replace(x, prompts.deep[depth - 1][group].expand(len(x), -1, -1))
                x = block(x, attn_mask=mask)
            end = shared + prompts.lengths - 1
            features.append(self.ln_final(x)[torch.arange(len(x)), end] @ self.projection)
        return torch.stack(features)


def _attend(
    own: tuple[Tensor, Tensor, Tensor], keys: Sequence[Tensor], depth: int, mask: Tensor, rows: int
) -> Tensor:
    """Attention `[groups · rows, heads, tokens, …]` to the prefix of the group and to the row."""
    query, *seen = own
    both = [
        torch.cat([prefix.repeat_interleave(rows, 0), row], dim=2)
        for prefix, row in zip(keys[2 * depth : 2 * depth + 2], seen, strict=True)
    ]
    return F.scaled_dot_product_attention(query, *both, attn_mask=mask[:, None])


def _additive(visible: Tensor, dtype: torch.dtype) -> Tensor:
    """0 where a token is seen, else -inf: once for all blocks, as attention would in each."""
    return torch.zeros(visible.shape, dtype=dtype, device=visible.device).masked_fill_(
        ~visible, -torch.inf
    )


def _chunks(groups: int, words: Tensor, at_once: int) -> Iterator[tuple[slice, slice]]:
    """Groups and rows that pass the layers together: whole groups, or some rows of one group."""
    rows, length, _ = words.shape
    for part in _slices(groups, at_once // (rows * length)):
        for some in _slices(rows, at_once // length):
            yield part, some


def _slices(count: int, size: int) -> Iterator[slice]:
    """As few slices as there can be with at most `size` each, equal in size as far as may be."""
    parts = -(-count // max(1, size))
    edges = [count * part // parts for part in range(parts + 1)]
    return map(slice, edges, edges[1:])


def _replace(x: Tensor, deep: Tensor) -> Tensor:
    """Tokens `[…, tokens, width]` with those at positions 1..n replaced."""
    return torch.cat([x[:, :1], deep, x[:, 1 + deep.shape[1] :]], dim=1)
