"""Independent random streams of one seed: drawing more from one never shifts another."""

from __future__ import annotations

import numpy as np

POOL, WEIGHTS, BATCHES = range(3)


def stream(seed: int, purpose: int, index: int = 0) -> np.random.Generator:
    """Return the generator of a purpose, and of a step within it."""
    return np.random.default_rng([seed, purpose, index])
