"""MMRL++: MMRL whose maps share one matrix and differ by products of low rank (Guo & Gu, 2025).

Tokens mix with what arrives at a block, and the second projection is CLIP's and a product of low
rank. Details follow yunncheng/MMRL, trainers/mmrlpp.py; there β is another one for each dataset
that is tested on, here a prompt has one.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from vlprompt_pipeline.methods.mmrl import MMRL, MMRLParameters
from vlprompt_pipeline.methods.networks import kaiming_uniform, linear
from vlprompt_pipeline.methods.registry import Method, register


class MMRLPlusPlusParameters(MMRLParameters):
    """MMRL's, and what is shared.

    Attributes:
        beta: share of the mapped tokens in what passes a later block.
        map_rank, projection_rank: of the products in the maps and in the projection.
    """

    beta: float = Field(ge=0, le=1)
    map_rank: int = Field(ge=1)
    projection_rank: int = Field(ge=1)


class MMRLPlusPlus(MMRL):
    """`text_shared` and `image_shared` maps; `a`, `b` and `bias` of each by block.

    The second projection is CLIP's and the product of `projection_a` and `projection_b`.
    """

    def mapped(self, tower: str, number: int) -> Tensor:
        """Return tokens `[K, tower width]` of a prompted block."""
        shared = getattr(self, f"{tower}_shared")
        a, b, bias = (getattr(self, f"{tower}_{part}")[number] for part in ("a", "b", "bias"))
        return F.linear(self.tokens, shared, bias) + F.linear(F.linear(self.tokens, b), a)

    def project(self, means: Tensor) -> Tensor:
        """Map them by CLIP's own projection and the product of low rank."""
        projection, bias = self.clip.image.projection()
        joint = means @ projection.to(means.dtype) + means @ self.projection_a @ self.projection_b
        return joint if bias is None else joint + bias.to(means.dtype)

    def _add_maps(self, generator: Generator) -> None:
        width, rank = self.settings.width, self.settings.map_rank
        for tower, out in (("text", self.clip.text_width), ("image", self.clip.image.width)):
            layer = linear(width, out, generator)
            setattr(self, f"{tower}_shared", nn.Parameter(layer.weight.detach().clone()))
            parts = {  # of each block; as b is zero, all of them start as the shared matrix
                "a": [kaiming_uniform((out, rank), generator) for _ in range(self.count)],
                "b": [torch.zeros(rank, width) for _ in range(self.count)],
                "bias": [layer.bias.detach().clone() for _ in range(self.count)],
            }
            for part, values in parts.items():
                setattr(self, f"{tower}_{part}", nn.ParameterList(values))
        rows, rank = self.clip.image.width, self.settings.projection_rank
        self.projection_a = nn.Parameter(kaiming_uniform((rows, rank), generator))
        self.projection_b = nn.Parameter(torch.zeros(rank, self.clip.embed_dim))

    def _later_tokens(self, mapped: Tensor, arrived: Tensor) -> Tensor:
        beta = self.settings.beta
        return beta * mapped + (1 - beta) * arrived


register(Method("mmrl_plus_plus", MMRLPlusPlusParameters, MMRLPlusPlus))
