"""Where context vectors stand between the words of a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.clip.packing import SuffixLengths
from vlprompt_pipeline.clip.templates import readable
from vlprompt_pipeline.clip.text_base import Prompts


@dataclass(frozen=True)
class Layout:
    """Class-specific prompt suffixes, some positions of which are filled by context vectors.

    Attributes:
        start: `[0 or 1, width]` embeddings of what stands before every prompt.
        shared: how many context vectors stand in front of every class name, before the suffix.
        words: `[classes, longest suffix, width]` embeddings of the fixed tokens.
        slots: `[classes, longest suffix]` index of the context vector at a position, -1 for words.
        lengths: tokens of each suffix, end token included.
    """

    start: Tensor
    shared: int
    words: Tensor
    slots: Tensor
    lengths: SuffixLengths

    def fill(self, context: Tensor) -> Prompts:
        """Return prompts with a context `[length, width]`, or with one of each class."""
        prefix, suffix = self.start, self.words
        if self.shared:
            prefix = torch.cat([self.start, context[: self.shared]])
        if self._context_slots is not None:
            here, index = self._context_slots
            rows = context if context.ndim == 3 else context.expand(len(self.words), -1, -1)
            vectors = rows.gather(1, index.expand(-1, -1, context.shape[-1]))
            suffix = torch.where(here, vectors, self.words)
        return Prompts(prefix[None], suffix, self.lengths)

    @cached_property
    def _context_slots(self) -> tuple[Tensor, Tensor] | None:
        """Where context vectors stand in the suffixes and which, `[classes, longest, 1]` each.

        None where all of them stand in front. It is read on the host once, not in every step.
        """
        here = self.slots[..., None] >= 0
        return (here, self.slots.clamp(min=0)[..., None]) if bool(here.any()) else None

    def fill_groups(self, contexts: Tensor) -> Prompts:
        """Return prompts with several contexts `[groups, length, width]`, in front of the names."""
        start = self.start.expand(len(contexts), -1, -1)
        return Prompts(torch.cat([start, contexts], dim=1), self.words, self.lengths)


def class_layout(
    clip: FrozenClip,
    names: Sequence[str],
    length: int,
    position: str = "end",
    class_specific: bool = False,
    ending: str = ".",
) -> Layout:
    """Lay out `[start] v_1 … v_length <name> <ending> [end]` with the name at `position`.

    As KaiyangZhou/CoOp: the name's tokens are counted on the name alone (a name that ends in
    punctuation may merge with the full stop), and `middle` puts length // 2 vectors in front.

    Raises:
        DataError: a prompt is longer than the CLIP's context.
    """
    before = {"end": length, "middle": length // 2, "front": 0}[position]
    shared = 0 if class_specific else before
    context = [-1 - slot for slot in range(length)]  # negative entries are context vectors
    rows = []
    for name in map(readable, names):
        tokens = [*clip.token_ids(f"{name}{ending}"), clip.tokenizer.end]
        split = 0 if position == "end" else len(clip.token_ids(name))
        middle = context[before:] if split else []
        rows.append([*context[shared:before], *tokens[:split], *middle, *tokens[split:]])
        clip.check_length(name, len(clip.tokenizer.start) + shared + len(rows[-1]))
    clip.words.warn_unseen(map(readable, names))
    longest = max(map(len, rows))
    entries = torch.tensor([row + [0] * (longest - len(row)) for row in rows], device=clip.device)
    return Layout(
        start=clip.start,
        shared=shared,
        words=clip.embed(entries.clamp(min=0).flatten().tolist()).unflatten(0, entries.shape),
        slots=(-1 - entries).clamp(min=-1),
        lengths=SuffixLengths(map(len, rows)),
    )
