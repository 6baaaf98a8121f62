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
from torch import Tensor

from vlprompt_pipeline.clip.blocks import attend, finish, project, project_some
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

    parts = ("_with_prefix", "_suffix")

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
            pairs: tuple[Tensor, ...] = ()
            for part, rows in _chunks(some.stop - some.start, words, limit):
                of_rows = (words, visible, packing.ends, packing.end_at)
                tensors = [some_of(each, rows) for each in of_rows]
                tokens = (part.stop - part.start) * tensors[0][..., 0].numel()
                if not pairs:
                    need = self._kept((some.stop - some.start) * shared + tokens)
                    given = (part, some_of(prefix, some), causal, *tensors, *deep)
                    first, *pairs = room.run(self._with_prefix, need, *given)
                    features.append(first)
                else:
                    behind = [some_of(each, part) for each in pairs]
                    features.append(room.run(self._suffix, self._kept(tokens), *tensors, *behind))
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

    def _with_prefix(
        self,
        part: slice,
        prefix: Tensor,
        causal: Tensor,
        words: Tensor,
        visible: Tensor,
        ends: Tensor,
        end_at: Tensor,
        *deep: Tensor,
    ) -> tuple[Tensor, ...]:
        """Pass the prefixes of all groups through the blocks, and beside them the rows of some.

        Tokens are the same to all but attention, so those of both stand one behind the other.

        Returns:
            Features `[groups of the part · rows · most, embed]`, then keys beside values of the
            prefixes in each block, `[groups, prefix length, 2 width]`.
        """
        groups, shared = prefix.shape[:2]
        count = part.stop - part.start
        rows, mask, ends, end_at = _for_groups(count, words, visible, ends, end_at)
        sizes, by_row = (groups * shared, rows[..., 0].numel()), rows.shape[:2]

        def apart(x: Tensor) -> tuple[Tensor, Tensor]:
            of_prefix, of_rows = x.split(sizes)
            return of_prefix.unflatten(0, (groups, shared)), of_rows.unflatten(0, by_row)

        def beside(of_prefix: Tensor, of_rows: Tensor) -> Tensor:
            return torch.cat([of_prefix.flatten(0, 1), of_rows.flatten(0, 1)])

        x = beside(prefix, rows)
        every = []
        for depth, block in enumerate(self.blocks):
            if 0 < depth <= len(deep):
                before, rows = apart(x)
                x = beside(replace_tokens(before, deep[depth - 1], self.start_tokens), rows)
            if depth < len(self.blocks) - 1:
                q, pairs = map(apart, project(block, x))
                seen = _behind(some_of(pairs[0], part), pairs[1])
                attended = attend(block, q[0], pairs[0], causal)
                behind = attend(block, q[1], seen, mask[:, None])
                x = finish(block, x, beside(attended, behind))
                every.append(pairs[0])
        before, rows = apart(x)
        every.append(project(block, before)[1])
        return self._read_ends(rows, mask, ends, end_at, some_of(every[-1], part)), *every

    def _suffix(
        self, words: Tensor, visible: Tensor, ends: Tensor, end_at: Tensor, *prefix: Tensor
    ) -> Tensor:
        """Return features `[groups · rows · most, embed]` of some rows behind some groups."""
        y, mask, ends, end_at = _for_groups(len(prefix[0]), words, visible, ends, end_at)
        for block, before in zip(self.blocks[:-1], prefix, strict=False):
            q, pairs = project(block, y)
            attended = attend(block, q, _behind(before, pairs), mask[:, None])
            y = finish(block, y, attended)
        return self._read_ends(y, mask, ends, end_at, prefix[-1])

    def _read_ends(
        self, y: Tensor, mask: Tensor, ends: Tensor, end_at: Tensor, prefix: Tensor
    ) -> Tensor:
        """Compute of the last block only what the end tokens ask for, and read these."""
        block = self.blocks[-1]
        q, pairs, y = project_some(block, y, lambda tokens: picked(tokens, ends, end_at))
        mask = mask.gather(1, ends[..., None].expand(-1, -1, mask.shape[-1]))
        attended = attend(block, q, _behind(prefix, pairs), mask[:, None])
        return self.read(finish(block, y, attended)).flatten(0, 1)

    def _length(self, prompts: Prompts) -> int:
        return prompts.prefix.shape[1] + prompts.suffix.shape[1]

    def _replaced_at(self, prompts: Prompts, layer: int, tokens: Tensor) -> Tensor:
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


def _for_groups(groups: int, *of_rows: Tensor) -> Iterator[Tensor]:
    """Yield what belongs to rows, `[groups · rows, …]`."""
    return (each.expand(groups, *each.shape).flatten(0, 1) for each in of_rows)


def _chunks(groups: int, words: Tensor, limit: int) -> Iterator[tuple[slice, slice]]:
    """Yield groups and rows that pass the layers together.

    They are whole groups, or some rows of one group.
    """
    rows, length, _ = words.shape
    for part in slices(groups, limit // (rows * length)):
        for some in slices(rows, limit // length):
            yield part, some
