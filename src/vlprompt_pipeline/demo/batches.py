"""Batches of pictures and captions; each step has a random stream of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vlprompt_pipeline.demo.attributes import attribute_labels
from vlprompt_pipeline.demo.config import PretrainingConfig
from vlprompt_pipeline.demo.model import normalise
from vlprompt_pipeline.demo.pool import Pool
from vlprompt_pipeline.demo.streams import BATCHES, stream
from vlprompt_pipeline.demo.tokens import CompactTokens
from vlprompt_pipeline.image_datasets.rendered.captions import caption

_CONTRAST, _BRIGHTNESS = 0.15, 0.12  # jitter, in normalised units


@dataclass(frozen=True)
class Batch:
    """Pictures `[n, 3, SIDE, SIDE]`, caption rows `[n, length]`, attributes `[n, heads]`."""

    pictures: Tensor
    rows: Tensor
    attributes: Tensor


class Batches:
    """The batches of pre-training, each drawn by its step."""

    def __init__(self, pool: Pool, tokens: CompactTokens, config: PretrainingConfig) -> None:
        self._pool, self._tokens, self._config = pool, tokens, config
        self._kinds = pool.by_kind()
        self._attributes = attribute_labels(pool.scenes)

    def at(self, step: int) -> Batch:
        """Return the batch of `step`; it depends on the seed and the step alone."""
        config, rng = self._config, stream(self._config.seed, BATCHES, step)
        chosen = self._choose(rng)
        long = bool(rng.random() < config.long_share)
        captions = [caption(self._pool.scenes[i], rng, long) for i in chosen]
        return Batch(
            pictures=_jitter(normalise(self._pool.pictures[chosen]), rng),
            rows=self._tokens.encode(captions, config.unseen_share, rng),
            attributes=self._attributes[torch.from_numpy(chosen)],
        )

    def _choose(self, rng: np.random.Generator) -> np.ndarray:
        size, candidates = self._config.batch, len(self._pool.scenes)
        if rng.random() >= self._config.one_kind_share:
            return rng.integers(0, candidates, size)
        shares = np.array([len(kind) for kind in self._kinds]) / candidates
        kind = self._kinds[rng.choice(len(self._kinds), p=shares)]
        return kind[rng.integers(0, len(kind), size)]


def _jitter(pictures: Tensor, rng: np.random.Generator) -> Tensor:
    shape = (len(pictures), 1, 1, 1)
    contrast = rng.uniform(1 - _CONTRAST, 1 + _CONTRAST, shape).astype(np.float32)
    brightness = rng.uniform(-_BRIGHTNESS, _BRIGHTNESS, shape).astype(np.float32)
    return pictures * torch.from_numpy(contrast) + torch.from_numpy(brightness)
