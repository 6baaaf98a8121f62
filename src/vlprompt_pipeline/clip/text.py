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

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlprompt_pipeline.clip.blocks import (
    finish,
    keys_and_values,
    project_pairs,
    project_pairs_some,
)
from vlprompt_pipeline.clip.packing import Packing
from vlprompt_pipeline.clip.picking import picked
from vlprompt_pipeline.clip.text_base import (
    Prompts,
    TextTowerBase,
    replace_tokens,
    slices,
    some_of,
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
        causal, visible = packing.masks(shared, self.dtype)
        limit, room = self.at_once, self._room()
        prefix = prompts.prefix + self.positions[:shared]
        features = []
        for some in slices(groups, limit // max(1, shared)):
            deep = [some_of(each, some) for each in prompts.deep]
            need = self._kept((some.stop - some.start) * shared)
            pairs = room.run(self._prefix, need, some_of(prefix, some), causal, *deep)
            for part, rows in _chunks(some.stop - some.start, words, limit):
                of_rows = (words, visible, packing.ends, packing.end_at)
                tensors = [some_of(each, rows) for each in of_rows]
                need = self._kept((part.stop - part.start) * tensors[0][..., 0].numel())
                of_groups = [some_of(each, part) for each in pairs]
                features.append(room.run(self._suffix, need, *tensors, *of_groups))
        ends = torch.cat(features).unflatten(0, (groups, -1))
        places, class_at = (each.expand(groups, -1) for each in (packing.places, packing.class_at))
        return picked(ends, places, class_at)

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

    def _prefix(self, x: Tensor, causal: Tensor, *deep: Tensor) -> tuple[Tensor, ...]:
        """Return keys beside values of each block, `[groups, prefix length, 2 width]`."""
        every = []
        for depth, block in enumerate(self.blocks):
            if 0 < depth <= len(deep):
                x = replace_tokens(x, deep[depth - 1], self.start_tokens)
            q, pairs = project_pairs(block, x)
            every.append(pairs)
            if depth < len(self.blocks) - 1:
                x = finish(block, x, _attend(block, q, pairs, causal))
        return tuple(every)

    def _suffix(
        self, words: Tensor, visible: Tensor, ends: Tensor, end_at: Tensor, *prefix: Tensor
    ) -> Tensor:
        """Return features `[groups · rows · most, embed]` of some rows behind some groups."""
        groups = len(prefix[0])
        y, mask, ends, end_at = (
            each.expand(groups, *each.shape).flatten(0, 1)
            for each in (words, visible, ends, end_at)
        )
        for depth, block in enumerate(self.blocks):
            if depth < len(self.blocks) - 1:
                q, pairs = project_pairs(block, y)
                attended = _attend(block, q, _behind(prefix[depth], pairs), mask[:, None])
                y = finish(block, y, attended)
        # of the last block only what the end tokens ask for
        q, pairs, y = project_pairs_some(block, y, ends, end_at)
        mask = mask.gather(1, ends[..., None].expand(-1, -1, mask.shape[-1]))
        attended = _attend(block, q, _behind(prefix[depth], pairs), mask[:, None])
        return self.read(finish(block, y, attended)).flatten(0, 1)

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


def _behind(prefix: Tensor, pairs: Tensor) -> Tensor:
    """Put those of each group's prefix `[groups, …]` before the rows `[groups · rows, …]`."""
    by_group = pairs.unflatten(0, (len(prefix), -1))
    before = prefix[:, None].expand(-1, by_group.shape[1], -1, -1)
    return torch.cat([before, by_group], dim=2).flatten(0, 1)


def _attend(block: nn.Module, q: Tensor, pairs: Tensor, mask: Tensor) -> Tensor:
    """Return attention `[…, heads, tokens, …]` to keys and values, as many as `mask` may exceed."""
    seen = mask[..., : pairs.shape[-2]]
    return F.scaled_dot_product_attention(q, *keys_and_values(block, pairs), attn_mask=seen)


def _chunks(groups: int, words: Tensor, limit: int) -> Iterator[tuple[slice, slice]]:
    """Yield groups and rows that pass the layers together.

    They are whole groups, or some rows of one group.
    """
    rows, length, _ = words.shape
    for part in slices(groups, limit // (rows * length)):
        for some in slices(rows, limit // length):
            yield part, some
