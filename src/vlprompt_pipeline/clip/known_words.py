"""The words that a CLIP can tell apart: those whose tokens its training has met."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from vlprompt_pipeline.clip.tokenizers import Tokenizer

logger = logging.getLogger(__name__)


class KnownWords:
    """The words of one CLIP.

    Args:
        tokenizer: of the CLIP.
        seen_tokens: ids that its training has met; None where that is not known.
        name: of the CLIP, for the warning.
    """

    def __init__(self, tokenizer: Tokenizer, seen_tokens: frozenset[int] | None, name: str) -> None:
        self.seen_tokens = seen_tokens
        self._tokenizer, self._name = tokenizer, name
        self._warned_of: set[str] = set()

    def vocabulary(self) -> dict[int, str]:
        """Return tokens by id; pieces of words end in a hyphen.

        Start and end token, and what the training of this CLIP never met, are left out.
        """
        words = self._tokenizer.vocabulary()
        if self.seen_tokens is None:
            return words
        return {number: word for number, word in words.items() if number in self.seen_tokens}

    def unseen(self, texts: Iterable[str]) -> list[str]:
        """Return words with a token that training never met; empty where that is not known."""
        if self.seen_tokens is None:
            return []
        words = dict.fromkeys(w.strip(".,:;!?") for text in texts for w in text.lower().split())
        encode = self._tokenizer.encode
        return [word for word in words if not self.seen_tokens.issuperset(encode(word))]

    def warn_unseen(self, texts: Iterable[str]) -> None:
        """Log a warning that names the words that training never met, each once."""
        words = [word for word in self.unseen(texts) if word not in self._warned_of]
        if words:
            self._warned_of.update(words)
            shown = ", ".join(words[:12]) + (f" and {len(words) - 12} more" if words[12:] else "")
            logger.warning(
                "%s never saw these words and cannot tell them apart: %s", self._name, shown
            )
