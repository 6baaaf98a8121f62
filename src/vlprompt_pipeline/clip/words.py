"""Which words trained vectors are near to: a look at them, not an explanation of them.

CoOp (IJCV 2022, section 4.4; interpret_prompt.py of its repository) lists the words whose token
embeddings have the smallest Euclidean distance to each context vector, and finds that they seldom
make sense. Training moves a vector in directions that no word stands in, so it grows longer than
any word, and the distances say more of its length than of its meaning: we order by the cosine
(our choice) and give the distance beside it.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F

from vlprompt_pipeline.clip.backbone import FrozenClip


class Word(NamedTuple):
    """A token of the vocabulary beside a vector; a text with a hyphen is a piece of a word."""

    text: str
    cosine: float
    distance: float


def nearest_words(clip: FrozenClip, vectors: Tensor, count: int = 5) -> list[list[Word]]:
    """The tokens whose embeddings have the highest cosine to each vector, the highest first.

    Args:
        clip: only tokens that its training has met are asked, where that is known: the embeddings
            of the others are not words.
        vectors: `[tokens, width]`, without positions, as a context is.
        count: how many for each.
    """
    words = clip.vocabulary()
    embeddings = clip.embed(list(words)).float()
    vectors = vectors.detach().to(embeddings)
    cosines = F.normalize(vectors, dim=-1) @ F.normalize(embeddings, dim=-1).T
    texts = list(words.values())
    words = []
    for vector, row in zip(vectors, cosines, strict=True):
        nearest = row.topk(min(count, len(texts))).indices.tolist()
        distances = (embeddings[nearest] - vector).norm(dim=-1).tolist()
        words.append(
            [
                Word(texts[token], row[token].item(), distance)
                for token, distance in zip(nearest, distances, strict=True)
            ]
        )
    return words
