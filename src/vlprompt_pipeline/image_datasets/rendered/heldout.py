"""Which compositions pre-training never sees: a fixed hash of their words decides."""

from __future__ import annotations

import hashlib

SHAPES_AND_GLYPHS = 0.2  # share held out of colour x shape, pattern x shape, count x shape, …
FLAGS = 0.3
AERIAL = 0.4


def held_out(*words: str, share: float = SHAPES_AND_GLYPHS) -> bool:
    """Tell whether the composition of `words` is kept for the downstream datasets.

    The first eight bytes of SHA-256 are read as a fraction of 2^64 and compared with `share`, so
    the answer depends on the words alone, on every machine and in every version of Python.
    """
    digest = hashlib.sha256("|".join(words).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < share
