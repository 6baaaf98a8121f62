"""The text tower over prompt embeddings: exact, and without computing anything twice.

CLIP's text transformer is causal and is read at the end token only. Hence

* nothing behind the end token is computed: the suffixes of the classes, from class name to end
  token, are packed into rows without padding,
* tokens in front of the class name are the same for every class of a prompt, so they pass
  through the layers once and every suffix attends to their keys and values,
* in the last layer only the end token's query is needed.

Prompts that share nothing but the start token (contexts of each class, names in front) are the
case of a prefix of one token.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from vlprompt_pipeline.clip.blocks import finish, project, project_some
from vlprompt_pipeline.clip.packing import Packing
from vlprompt_pipeline.clip.text_base import (
    Prompts,
    TextTowerBase,
    replace_tokens,
    slices,
)


class TextTower(TextTowerBase):
    """Frozen causal text transformer that is read at the end token of each prompt."""

    parts = ("_prefix", "_suffix")

    def forward(self, prompts: Prompts) -> Tensor:
        """Return text features `[groups, classes, embed]`, not normalised, in float32 or better."""
        prompts = prompts.to(self.dtype)
        groups, shared, width = prompts.prefix.shape
        packing = prompts.lengths.packing(width, prompts.suffix.device)
        words = self._words(prompts, packing)
        visible = packing.visible(shared)
        limit, room = self.at_once, self._room()
        prefix = prompts.prefix + self.positions[:shared]
        features = []
        for some in slices(groups, limit // max(1, shared)):
            deep = [each[some] for each in prompts.deep]
            need = self._kept(prefix[some].shape[0] * shared)
            keys = room.run(self._prefix, need, prefix[some], *deep)
            for part, rows in _chunks(len(prefix[some]), words, limit):
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
        """Return suffixes with positions, packed: `[rows, length, width]`."""
        shared, length = prompts.prefix.shape[1], prompts.suffix.shape[1]
        placed = prompts.suffix + self.positions[shared : shared + length]
        packed = (
            placed[:, : prompts.lengths.longest]
            .flatten(0, 1)
            .index_select(0, packing.tokens.flatten())
        )
        return packed.unflatten(0, packing.tokens.shape)

    def _prefix(self, x: Tensor, *deep: Tensor) -> tuple[Tensor, ...]:
        """Return keys and values of each block in turn, `[groups, heads, prefix length, …]`."""
        keys_and_values: list[Tensor] = []
        for depth, block in enumerate(self.blocks):
            if 0 < depth <= len(deep):
                x = replace_tokens(x, deep[depth - 1], self.start_tokens)
            q, k, v = project(block, x)
            keys_and_values += (k, v)
            if depth < len(self.blocks) - 1:
                x = finish(block, x, F.scaled_dot_product_attention(q, k, v, is_causal=True))
        return tuple(keys_and_values)

    def _suffix(
        self, words: Tensor, visible: Tensor, ends: Tensor, filled: Tensor, *keys: Tensor
    ) -> Tensor:
        """Return features `[groups · classes, embed]` of some rows behind keys of some groups."""
        groups, rows = len(keys[0]), len(words)
        y = words.expand(groups, -1, -1, -1).flatten(0, 1)
        mask = _additive(visible, y.dtype).expand(groups, -1, -1, -1).flatten(0, 1)
        for depth, block in enumerate(self.blocks):
            if depth < len(self.blocks) - 1:
                y = finish(block, y, _attend(project(block, y), keys, depth, mask, rows))
        # of the last block only what the end tokens ask for
        positions = ends.expand(groups, -1, -1).flatten(0, 1)
        q, k, v, y = project_some(block, y, positions)
        mask = mask.gather(1, positions[..., None].expand(-1, -1, mask.shape[-1]))
        attended = _attend((q, k, v), keys, depth, mask, rows).transpose(1, 2).flatten(0, 1)
        steps = torch.arange(groups, device=filled.device) * ends.numel()
        chosen = (steps[:, None] + filled).flatten()
        y = y.flatten(0, 1).index_select(0, chosen)[:, None]
        y = finish(block, y, attended.index_select(0, chosen)[:, :, None])
        return self.read(y[:, 0])

    def with_class_tokens(self, prompts: Prompts, layer: int, tokens: Tensor) -> Tensor:
        """Return features `[classes, embed]` of one group whose context is replaced by class, once.

        At the input of block `layer`, counted from 0, `tokens` `[classes, n, width]` stand in the
        place of positions 1 to n. Before that block the context is the same for all classes.
        """
        prompts, tokens = prompts.to(self.dtype), tokens.to(self.dtype)
        length = prompts.prefix.shape[1] + prompts.suffix.shape[1]
        room = self._room()
        features = []
        for some in slices(len(tokens), self.at_once // length):
            part = Prompts(prompts.prefix, prompts.suffix[some], prompts.lengths[some])
            need = self._kept(len(part.suffix) * length)
            features.append(room.run(self._replaced_at, need, part, layer, tokens[some]))
        return torch.cat(features)

    def _replaced_at(self, prompts: Prompts, layer: int, tokens: Tensor) -> Tensor:
        """Return `with_class_tokens` for some classes."""
        classes = len(prompts.suffix)
        x = torch.cat([prompts.prefix.expand(classes, -1, -1), prompts.suffix], dim=1)
        x = x + self.positions[: x.shape[1]]
        mask = self.mask[: x.shape[1], : x.shape[1]].to(x)
        for depth, block in enumerate(self.blocks):
            x = block(
                replace_tokens(x, tokens, self.start_tokens) if depth == layer else x,
                attn_mask=mask,
            )
        end = prompts.prefix.shape[1] + prompts.lengths.on(x.device) - 1
        return self.read(x[torch.arange(classes, device=x.device), end])


def _attend(
    current: tuple[Tensor, Tensor, Tensor],
    keys: Sequence[Tensor],
    depth: int,
    mask: Tensor,
    rows: int,
) -> Tensor:
    """Attend to the prefix of the group and to the row, `[groups · rows, heads, tokens, …]`."""
    query, *seen = current
    both = [
        torch.cat([prefix.repeat_interleave(rows, 0), row], dim=2)
        for prefix, row in zip(keys[2 * depth : 2 * depth + 2], seen, strict=True)
    ]
    return F.scaled_dot_product_attention(query, *both, attn_mask=mask[:, None])


def _additive(visible: Tensor, dtype: torch.dtype) -> Tensor:
    """Return 0 where a token is seen, else -inf.

    Once for all blocks, as attention would in each.
    """
    return torch.zeros(visible.shape, dtype=dtype, device=visible.device).masked_fill_(
        ~visible, -torch.inf
    )


def _chunks(groups: int, words: Tensor, limit: int) -> Iterator[tuple[slice, slice]]:
    """Yield groups and rows that pass the layers together.

    They are whole groups, or some rows of one group.
    """
    rows, length, _ = words.shape
    for part in slices(groups, limit // (rows * length)):
        for some in slices(rows, limit // length):
            yield part, some
