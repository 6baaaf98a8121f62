"""Captions to rows of a compact token embedding: only the tokens in use, and one unseen row.

The compact table is `[unseen, used ids in rising order]`. The end token has the largest id of
CLIP's vocabulary, so it stays the largest row and CLIP's arg-max pooling finds it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from vlprompt_pipeline.clip.lazy_libraries import open_clip
from vlprompt_pipeline.image_datasets.rendered.vocabulary import split_words

CONTEXT = 77
FULL_VOCABULARY = 49_408
START, END = 49_406, 49_407
UNSEEN = 0  # also pads behind the end token, where nothing looks

_LONGEST_UNKNOWN_WORD = 3  # tokens that stand in for one unknown word: 1 to this


class CompactTokens:
    """Tokenise with open_clip's BPE, with ids renumbered to the compact table.

    Attributes:
        ids: the used ids of the full vocabulary in rising order; row i + 1 holds `ids[i]`.
        words: how many words (and punctuation marks) they spell.
    """

    def __init__(self, words: Sequence[str]) -> None:
        tokenizer = open_clip.SimpleTokenizer()
        spelled = {word: tokenizer.encode(word) for word in words}
        self.ids = sorted({START, END}.union(*spelled.values()))
        row = {token: i + 1 for i, token in enumerate(self.ids)}
        self.words = len(spelled)
        self._rows = {word: [row[token] for token in tokens] for word, tokens in spelled.items()}
        self._start, self._end = row[START], row[END]

    @property
    def size(self) -> int:
        """Return the number of rows of the compact table, the unseen one included."""
        return len(self.ids) + 1

    def encode(
        self,
        captions: Sequence[str],
        unseen_share: float = 0.0,
        rng: np.random.Generator | None = None,
    ) -> Tensor:
        """Return the rows of each caption, int64 `[captions, longest]`.

        A word outside the vocabulary becomes one unseen row. With an `rng`, each word is replaced
        by one to three unseen rows at `unseen_share`, as a full vocabulary would spell it.
        """
        lines = [self._line(caption, unseen_share, rng) for caption in captions]
        table = np.full((len(lines), max(map(len, lines))), UNSEEN, np.int64)
        for i, line in enumerate(lines):
            table[i, : len(line)] = line
        return torch.from_numpy(table)

    def _line(
        self, caption: str, unseen_share: float, rng: np.random.Generator | None
    ) -> list[int]:
        words = split_words(caption)
        dropped = rng.random(len(words)) < unseen_share if rng else np.zeros(len(words), bool)
        rows = [self._start]
        for word, drop in zip(words, dropped, strict=True):
            if drop and rng:
                rows += [UNSEEN] * int(rng.integers(1, _LONGEST_UNKNOWN_WORD + 1))
            else:
                rows += self._rows.get(word, [UNSEEN])
        return [*rows[: CONTEXT - 1], self._end]
