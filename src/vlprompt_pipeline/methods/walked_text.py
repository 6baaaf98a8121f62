"""The text tower block by block, for methods that change what happens inside of it.

On a causal tower all tokens that the texts share at their beginning, such as "a photo of a", pass
once, tokens behind the end of a text not at all, and of the last block only the end tokens are
computed. Tokens stand one behind the other, `[tokens, width]`: the shared ones, then those of each
text; only attention knows where a text begins. Towers that see in both directions pass whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.clip.blocks import attend, finish, project, project_some, with_norms
from vlprompt_pipeline.clip.packing import SuffixLengths
from vlprompt_pipeline.clip.picking import gathered
from vlprompt_pipeline.clip.text import TextTower
from vlprompt_pipeline.clip.text_base import Prompts
from vlprompt_pipeline.clip.whole_text import WholeTextTower
from vlprompt_pipeline.methods.walked_towers import Enter, Passing, Step, plain


class WalkedTexts:
    """Texts that pass the text tower block by block, anew in every step of training.

    Args:
        clip: tokenizes them, and checks their lengths.
        texts: whole sentences.
        cut: leaves out what is longer than the context.
        inserted: tokens that the method puts in between.
        unchanged: blocks at the beginning that the method leaves as they are; what comes out of
            them is computed once.
    """

    def __init__(
        self,
        clip: FrozenClip,
        texts: Sequence[str],
        *,
        cut: bool = False,
        inserted: int = 0,
        unchanged: int = 0,
    ) -> None:
        """Raise DataError for a text that is longer than the context, unless it is cut."""
        clip.words.warn_unseen(texts)
        self.prompts = _share(clip.prompts(texts, cut=cut))
        self.inserted, self.unchanged = inserted, unchanged
        self._there: dict[tuple[torch.dtype, torch.device], tuple[_Causal | _Whole, Tensor]] = {}

    def features(
        self,
        clip: FrozenClip,
        step: Step = plain,
        enter: Enter | None = None,
        rows: Tensor | None = None,
    ) -> Tensor:
        """Return normalised features `[texts, embed]`.

        Args:
            clip: the one that the texts were given for, in any precision.
            step: what the method does at blocks.
            enter: what it puts in between.
            rows: which of the texts, all if none is given.
        """
        if rows is None:
            (walk, x), first = self._begun(clip), self.unchanged
        else:
            walk, first = self._walk(clip, _some(self.prompts, rows)), 0
            x = walk.begin()
        for depth in range(first, len(clip.text.blocks)):
            x = x if enter is None else walk.enter(enter, depth, x)
            x = step(depth, Passing(partial(walk.run, depth, x), partial(walk.normed, depth, x)))
        return F.normalize(clip.text.read(x), dim=-1)

    def _walk(self, clip: FrozenClip, prompts: Prompts) -> _Causal | _Whole:
        causal = isinstance(clip.text, TextTower)
        walk = _Causal if causal else _Whole
        return walk(clip.text, prompts.to(clip.text.dtype), self.inserted)

    @torch.no_grad()
    def _begun(self, clip: FrozenClip) -> tuple[_Causal | _Whole, Tensor]:
        """Return how all texts go on behind the blocks that are not changed, and their tokens."""
        key = (clip.text.dtype, clip.device)
        if key not in self._there:
            walk = self._walk(clip, self.prompts)
            x = walk.begin()
            for depth in range(self.unchanged):
                x = walk.run(depth, x)
            self._there[key] = walk, x
        return self._there[key]


class _Causal:
    """Texts `[tokens, width]` in a causal tower: shared tokens first, then those of each text."""

    def __init__(self, tower: TextTower, prompts: Prompts, inserted: int) -> None:
        self.tower, self.prompts = tower, prompts
        device, lengths = prompts.suffix.device, torch.tensor(prompts.lengths.values)
        self.longest, self.count = prompts.lengths.longest, sum(prompts.lengths.values)
        offsets = torch.arange(self.longest)
        inside = offsets < lengths[:, None]
        ends = lengths.cumsum(0) - 1
        # where a token of a padded text stands among all, and where those stand among the padded
        padded = (ends - lengths + 1)[:, None] + offsets.clamp(max=lengths[:, None] - 1)
        self.padded = padded.flatten().to(device)
        self.filled = inside.flatten().nonzero()[:, 0].to(device)
        self.ends, self.last_offsets = ends.to(device), (lengths - 1).to(device)

    def begin(self) -> Tensor:
        """Return tokens at the input of the first block."""
        positions, prompts = self.tower.positions, self.prompts
        shared = prompts.prefix.shape[1]
        words = prompts.suffix[:, : self.longest] + positions[shared : shared + self.longest]
        tokens = words.flatten(0, 1).index_select(0, self.filled)
        return torch.cat([prompts.prefix[0] + positions[:shared], tokens])

    def enter(self, enter: Enter, depth: int, x: Tensor) -> Tensor:
        """Return tokens after the method has put its own among the shared ones."""
        shared = len(x) - self.count
        return torch.cat([enter(depth, x[:shared], self.tower.start_tokens), x[shared:]])

    def run(self, depth: int, x: Tensor, norms: Tensor | None = None) -> Tensor:
        """Return tokens behind a block; of the last one the end tokens alone, `[texts, width]`."""
        block, shared = self.tower.blocks[depth], len(x) - self.count
        block = block if norms is None else with_norms(block, norms.to(x.dtype))
        q, pairs = project(block, x)
        seen = self._by_text(pairs, shared)
        seen = torch.cat([pairs[None, :shared].expand(len(seen), -1, -1), seen], dim=1)
        # a token sees all shared ones, and those of its text up to itself
        mask = x.new_full((self.longest, shared + self.longest), -torch.inf).triu(shared + 1)
        if depth == len(self.tower.blocks) - 1:
            queries = q.index_select(0, shared + self.ends)[:, None]
            rows = mask.index_select(0, self.last_offsets)[:, None, None]
            read = x.index_select(0, shared + self.ends)
            return finish(block, read, attend(block, queries, seen, rows)[:, 0])
        before = attend(block, q[None, :shared], pairs[None, :shared], causal=True)[0]
        attended = attend(block, self._by_text(q, shared), seen, mask)
        behind = attended.flatten(0, 1).index_select(0, self.filled)
        return finish(block, x, torch.cat([before, behind]))

    def normed(self, depth: int, x: Tensor) -> Tensor:
        """Return the same tokens behind the first norm of the block."""
        if depth == len(self.tower.blocks) - 1:
            x = x.index_select(0, len(x) - self.count + self.ends)
        return self.tower.blocks[depth].ln_1(x)

    def _by_text(self, part: Tensor, shared: int) -> Tensor:
        """Return what belongs to tokens `[tokens, …]` but the shared: `[texts, longest, …]`."""
        return part.index_select(0, shared + self.padded).unflatten(0, (-1, self.longest))


class _Whole:
    """Texts `[texts, context, width]` in a tower that computes whole sequences."""

    def __init__(self, tower: WholeTextTower, prompts: Prompts, inserted: int) -> None:
        self.tower, self.inserted = tower, inserted
        self.sequences, end = tower.sequences(prompts)
        positions = tower.read_positions(end)  # [texts, 1]
        behind = positions >= tower.start_tokens
        self.positions = torch.where(behind, positions + inserted, positions)

    def begin(self) -> Tensor:
        """Return tokens at the input of the first block."""
        return self.sequences

    def enter(self, enter: Enter, depth: int, x: Tensor) -> Tensor:
        """Return tokens after the method has put its own in between."""
        return enter(depth, x, self.tower.start_tokens)

    def run(self, depth: int, x: Tensor, norms: Tensor | None = None) -> Tensor:
        """Return tokens behind a block.

        Of the last one those alone that are read, `[texts, width]`.
        """
        block = self.tower.blocks[depth]
        block = block if norms is None else with_norms(block, norms.to(x.dtype))
        mask = None
        if self.tower.mask is not None:
            length = x.shape[1]
            mask = x.new_full((length, length), -torch.inf).triu(1)
        if depth < len(self.tower.blocks) - 1:
            return finish(block, x, attend(block, *project(block, x), mask))
        q, pairs, read = project_some(block, x, self._read)
        rows = None if mask is None else mask[self.positions][:, None]
        return finish(block, read, attend(block, q, pairs, rows))[:, 0]

    def normed(self, depth: int, x: Tensor) -> Tensor:
        """Return the same tokens behind the first norm of the block."""
        if depth == len(self.tower.blocks) - 1:
            x = self._read(x)[:, 0]
        return self.tower.blocks[depth].ln_1(x)

    def _read(self, tokens: Tensor) -> Tensor:
        return gathered(tokens, self.positions)


def _share(prompts: Prompts) -> Prompts:
    """Move tokens that all texts begin with to the prefix; an end token at least stays."""
    most = min(prompts.lengths.values) - 1
    first = prompts.suffix[:1, :most]
    equal = (prompts.suffix[:, :most] == first).all(-1).all(0)
    count = int(equal.int().cumprod(0).sum())
    prefix = torch.cat([prompts.prefix, first[:, :count]], dim=1)
    lengths = SuffixLengths(length - count for length in prompts.lengths.values)
    return Prompts(prefix, prompts.suffix[:, count:], lengths)


def _some(prompts: Prompts, rows: Tensor) -> Prompts:
    lengths = prompts.lengths.of(rows.tolist())
    return Prompts(prompts.prefix, prompts.suffix[rows.to(prompts.suffix.device)], lengths)
