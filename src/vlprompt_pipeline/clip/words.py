"""List the words nearest to trained vectors, which does not explain what the vectors do."""

from __future__ import annotations

from torch import Tensor

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.token_table import TokenTable, Word


def nearest_words(clip: FrozenClip, vectors: Tensor, count: int = 5) -> list[list[Word]]:
    """Return the tokens whose embeddings have the highest cosine to each vector, the highest first.

    See `token_table` for why it is the cosine.

    Args:
        clip: only tokens that its training has met are searched, where that is known: the
            embeddings of the others are not words.
        vectors: `[tokens, width]`, without positions, as a context is.
        count: how many for each.
    """
    words = clip.words.vocabulary()
    embeddings = clip.embed(list(words)).float().cpu().numpy()
    table = TokenTable(embeddings, list(words.values()))
    return table.nearest(vectors.detach().float().cpu().numpy(), count)
