"""Photos near to a text or a picture, by the cosine of their features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from vlprompt_pipeline.clip import EvaluationView, FrozenClip
from vlprompt_pipeline.curation.embeddings import Embeddings


def query_text(clip: FrozenClip, text: str) -> np.ndarray:
    """Return the feature `[width]` of a text; words that this CLIP never saw are named."""
    clip.words.warn_unseen([text])
    return clip.encode_texts([text]).cpu().numpy()[0]


def query_picture(clip: FrozenClip, picture: Path) -> np.ndarray:
    """Return the feature `[width]` of a picture.

    Raises:
        DataError: it cannot be read.
    """
    pixels = EvaluationView(clip.preprocessing, "as_seen").of(picture)
    return clip.encode_images(pixels[None]).cpu().numpy()[0]


def nearest(embeddings: Embeddings, query: np.ndarray, count: int) -> pd.DataFrame:
    """Return the `count` nearest photos: `path`, `label` and `cosine`, the nearest first."""
    cosines = embeddings.features @ query.astype(np.float32)
    order = np.argsort(-cosines, kind="stable")[:count]
    return pd.DataFrame(
        {
            "path": [embeddings.paths[row] for row in order],
            "label": [embeddings.labels[row] for row in order],
            "cosine": cosines[order],
        }
    )
