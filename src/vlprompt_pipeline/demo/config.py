"""The recipe of the embedded CLIP: architecture and pre-training, all our choice."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from vlprompt_pipeline.parsing import Frozen

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Architecture(Frozen):
    """Sizes of the two towers; the image side is that of the rendered world."""

    embed: Positive = 128
    patch: Positive = 8
    width: Positive = 128
    heads: Positive = 4
    vision_layers: Positive = 4
    text_layers: Positive = 3

    @model_validator(mode="after")
    def _heads_divide(self) -> Architecture:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} must be a multiple of heads {self.heads}")
        return self


class PretrainingConfig(Frozen):
    """Everything the checkpoint depends on, except the versions of the libraries.

    Attributes:
        seed: of the pool, the initial weights, the batches and the captions.
        pool: pictures rendered once and kept in memory.
        pool_gap: each picture's domain gap is uniform in 0..`pool_gap`.
        steps: length of the run; never the clock.
        batch: pictures a step.
        learning_rate: peak; `warmup` steps up, then a cosine down to `final_share` of it.
        weight_decay: on matrices, not on embeddings, norms and biases.
        attribute_weight: weight of the auxiliary attribute heads' loss.
        one_kind_share: share of batches drawn from a single kind of scene (harder negatives).
        long_share: share of batches captioned with long sentences.
        unseen_share: chance of each caption word to stand in for an unknown one.
        threads: CPU threads of PyTorch; sums, hence the last bits, may depend on it.
    """

    seed: Annotated[int, Field(ge=0)] = 0
    pool: Positive = 120_000
    pool_gap: Share = 0.2
    steps: Positive = 3_600
    batch: Annotated[int, Field(ge=2)] = 128
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    warmup: Positive = 200
    final_share: Share = 0.02
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    attribute_weight: Annotated[float, Field(ge=0)] = 0.3
    one_kind_share: Share = 0.4
    long_share: Share = 0.15
    unseen_share: Share = 0.02
    threads: Positive = 2
    architecture: Architecture = Architecture()
