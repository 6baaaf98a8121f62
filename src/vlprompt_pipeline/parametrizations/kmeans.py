"""Quantization-aware training of a prompt tensor with a k-means codebook (QPrompt).

Source: QPrompt, arXiv 2407.10704 (ECCV 2024): normalisation of the whole tensor, k-means codebook,
straight-through gradient, and constrained adaptive clustering, which keeps the codebook until the
histogram of the indices has drifted. No code of it was published; what is ours is marked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils import parametrize

from vlprompt_pipeline.config import Parameters
from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.parametrizations.clustering import kmeans_1d


class KMeansConfig(Parameters):
    """How a tensor is quantized.

    Attributes:
        bits: per value; the codebook has 2**bits entries.
        normalise: cluster (W - mean) / std of the whole tensor, and scale back by the mean and std
            of the moment, so that the codebook follows the tensor between clusterings.
        min_interval_steps: training steps that a clustering stays in force at least. Not published;
            our choice where none is given: one epoch.
        kl_threshold: drift of the index histogram, in nats, above which the tensor is clustered
            anew. Not published; 0.05 is our tentative choice, untested on the published datasets:
            with 1 bit it is reached when a sixth of the values have changed sides.
    """

    bits: int = Field(ge=1, le=8)
    normalise: bool = True
    min_interval_steps: int | None = Field(default=None, ge=1)
    kl_threshold: float = Field(default=0.05, ge=0)


@dataclass(frozen=True)
class ClusteringCheck:
    """One look at a codebook: whether the tensor had drifted, and what it was afterwards.

    Attributes:
        step: training steps done.
        kl: drift of the index histogram since the last clustering, in nats.
        reclustered: whether that made a new codebook.
        mean_squared_error: of the quantized tensor against the master, per value.
        codebook: the values in force, [2**bits], ascending.
    """

    step: int
    kl: float
    reclustered: bool
    mean_squared_error: float
    codebook: tuple[float, ...]


class KMeansQuantizer(nn.Module):
    """Parametrization that shows a tensor of any shape as entries of its k-means codebook.

    Put on with `torch.nn.utils.parametrize.register_parametrization`, alone or after others. The
    first tensor it sees makes the codebook; after that only `observe`, called by the training
    loop, changes it, so evaluating changes nothing. The values it shows are rounded to float16
    (our choice): they are exactly those that `encode` gives away to be stored.

    The buffers are the whole state: the codebook in normalised units [2**bits], the step of the
    last clustering (-1: none yet) and the index histogram it left [2**bits].
    """

    codebook: Tensor
    last_step: Tensor
    histogram: Tensor

    def __init__(self, config: KMeansConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("codebook", torch.zeros(2**config.bits))
        self.register_buffer("last_step", torch.tensor(-1))
        self.register_buffer("histogram", torch.zeros(2**config.bits, dtype=torch.int64))
        self._ready = False  # mirrors last_step >= 0, which would cost a device round trip to ask
        self._history: list[ClusteringCheck] = []
        self.register_load_state_dict_post_hook(_adopt_state)

    def forward(self, weight: Tensor) -> Tensor:
        """The quantized tensor, in shape and dtype of `weight`; its gradient is that of `weight`.

        NaN in `weight` stays NaN, for the loop's check of the loss to find.

        Raises:
            UserError: the first tensor seen has values that are not finite.
        """
        if not self._ready:
            self.initialise(weight)
        indices, codebook = self._assign(weight)
        shown = decode(indices, codebook, weight.dtype)
        return shown + (weight - weight.detach())  # adds zeros, so the shown values stay exact

    def initialise(self, weight: Tensor, step: int = 0) -> None:
        """Make the codebook from `weight`, whatever was before.

        Raises:
            UserError: `weight` has values that are not finite or beyond float16.
        """
        self._cluster(weight, step)
        self._record(weight, step, kl=0.0, reclustered=True)

    def observe(self, step: int, weight: Tensor, epoch_steps: int) -> None:
        """Constrained adaptive clustering; to be called after each step of the optimiser.

        Does nothing until the interval is over. From then on every call compares the histogram of
        indices that `weight` has now with the one that the last clustering left, and clusters anew
        above the threshold. Our choice: a codebook that some entry of serves no value, as of a
        tensor that starts as all zeros, is compared at once.

        Args:
            step: optimiser steps done in this run of training, so 1 at the first call.
            weight: what `forward` is given, as `quantized_tensors` finds it.
            epoch_steps: steps in an epoch, the interval if the configuration gives none.

        Raises:
            UserError: `weight` has values that are not finite or beyond float16.
        """
        interval = self.config.min_interval_steps or epoch_steps
        if step - int(self.last_step) < interval and bool(self.histogram.all()):
            return
        _require_finite(weight)
        kl = _divergence(self._count(weight), self.histogram)
        drifted = kl > self.config.kl_threshold
        if drifted:
            self._cluster(weight, step)
        self._record(weight, step, kl, drifted)

    def encode(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """What has to be stored: indices (uint8, shape of `weight`) and codebook (float16).

        `decode` of these is what `forward` shows, bit for bit.

        Raises:
            UserError: `weight` has values that are not finite or beyond float16.
        """
        _require_finite(weight)
        if not self._ready:
            self.initialise(weight)
        indices, codebook = self._assign(weight)
        _require_finite(codebook)
        return indices.to(torch.uint8), codebook

    def pop_history(self) -> list[ClusteringCheck]:
        """The checks since the last call, or since a state was loaded; forgets them."""
        rows, self._history = self._history, []
        return rows

    @torch.no_grad()
    def _assign(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Index of the nearest entry for each value, and the codebook in units of `weight`.

        Distances are compared after scaling back, which orders them as before, and against the
        rounded entries, which are the ones shown. Halfway, the lower entry is taken.
        """
        values = weight.float().contiguous()
        scaled = self.codebook
        if self.config.normalise:
            std, mean = torch.std_mean(values, correction=0)
            scaled = scaled * std + mean
        codebook = scaled.half() + 0.0  # no minus zero: forward would show it as plus zero
        entries = codebook.float()
        return torch.bucketize(values, (entries[1:] + entries[:-1]) / 2), codebook

    @torch.no_grad()
    def _cluster(self, weight: Tensor, step: int) -> None:
        _require_finite(weight)
        values = weight.float()
        if self.config.normalise:
            std, mean = torch.std_mean(values, correction=0)
            values = (values - mean) / torch.where(std > 0, std, 1.0)  # a constant becomes zeros
        centroids = kmeans_1d(values.cpu().numpy(), self.codebook.numel())
        self.codebook.copy_(torch.from_numpy(centroids))
        _require_finite(self._assign(weight)[1])
        self.last_step.fill_(step)
        self.histogram.copy_(self._count(weight))
        self._ready = True

    def _count(self, weight: Tensor) -> Tensor:
        return torch.bincount(self._assign(weight)[0].flatten(), minlength=self.codebook.numel())

    @torch.no_grad()
    def _record(self, weight: Tensor, step: int, kl: float, reclustered: bool) -> None:
        indices, codebook = self._assign(weight)
        error = (decode(indices, codebook) - weight.float()).square().mean().item()
        row = ClusteringCheck(step, kl, reclustered, error, tuple(codebook.tolist()))
        self._history.append(row)


def decode(indices: Tensor, codebook: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """The tensor that `KMeansQuantizer.encode` described, in the shape of `indices`."""
    return codebook.to(dtype)[indices.long()]


def quantized_tensors(module: nn.Module) -> Iterator[tuple[str, KMeansQuantizer, Tensor]]:
    """Every quantized tensor under `module`: its name, its quantizer, and what that is given.

    The name is that of the tensor in the module without parametrizations, such as `context`. What
    the quantizer is given has passed the parametrizations put on before it.
    """
    for path, owner in module.named_modules():
        if not parametrize.is_parametrized(owner):
            continue
        for name, chain in owner.parametrizations.items():
            for place, link in enumerate(chain):
                if isinstance(link, KMeansQuantizer):
                    full = f"{path}.{name}".replace("parametrizations.", "").lstrip(".")
                    yield full, link, _given_to(chain, place)


@torch.no_grad()
def _given_to(chain: parametrize.ParametrizationList, place: int) -> Tensor:
    """What stands before a link, as in evaluation: without the noise of training."""
    if place == 0:
        return chain.original
    stored = [p for name, p in chain.named_parameters(recurse=False) if name != "original"]
    training = chain.training
    chain.eval()
    first, *others = islice(chain, place)
    value = first(*(stored or [chain.original]))
    for link in others:
        value = link(value)
    chain.train(training)
    return value


def _adopt_state(quantizer: KMeansQuantizer, _incompatible: object) -> None:
    """A loaded state is the end of its own past, which whoever stored it has kept."""
    quantizer._ready = int(quantizer.last_step) >= 0
    quantizer._history.clear()


def _divergence(now: Tensor, then: Tensor) -> float:
    """KL(now || then) of two histograms in nats; one is added to each count (our choice)."""
    p, q = (counts.cpu().numpy() + 1.0 for counts in (now, then))
    p, q = p / p.sum(), q / q.sum()
    return float(np.sum(p * np.log(p / q)))


def _require_finite(values: Tensor) -> None:
    if not torch.isfinite(values).all():
        raise UserError(
            "a tensor to be quantized holds values that are not finite or beyond float16 (65504): "
            "training diverged, lower training.lr"
        )
