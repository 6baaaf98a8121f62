"""Quantization of a prompt tensor while it is trained, or afterwards.

Source: QPrompt, arXiv 2407.10704 (ECCV 2024): normalisation of the tensor, k-means codebook,
straight-through gradient, and constrained adaptive clustering, which keeps the codebook until the
histogram of the indices has drifted. No code of it was published; what is ours is marked. The other
quantizers are there to be compared with k-means and share everything but the entries' places.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlprompt_pipeline.parametrizations.checks import ClusteringCheck, Look, drift
from vlprompt_pipeline.parametrizations.config import QuantizeConfig
from vlprompt_pipeline.parametrizations.half import require_finite, require_half

Shown = tuple[Tensor, Tensor]
"""Indices `[codebooks, values]` that stand for the values of a tensor, and the codebooks."""


class Quantizer(nn.Module):
    """Parametrization that shows a tensor of any shape as the nearest entries of its codebooks.

    Put on with `torch.nn.utils.parametrize.register_parametrization`, before any others. The first
    tensor it sees makes the codebooks; after that only `observe`, called by the training loop,
    changes them, so evaluating changes nothing. With `post_training` it shows a tensor in training
    as it is, and makes the codebooks where it is evaluated next. The values it shows are rounded to
    float16 (our choice): they are exactly those that `encode` gives away to be stored.

    The buffers are the whole state: the codebooks in normalised units [codebooks, 2**bits], the
    step of the last clustering (-1: none yet) and the index histogram it left, of the same shape.
    """

    stores_indices = True  # whether a file holds what `encode` gives, and not the tensor itself

    codebook: Tensor
    last_step: Tensor
    histogram: Tensor

    def __init__(self, config: QuantizeConfig, codebooks: int = 1) -> None:
        super().__init__()
        self.config = config
        shape = (codebooks, 2**config.bits)
        self.register_buffer("codebook", torch.zeros(shape))
        self.register_buffer("last_step", torch.tensor(-1))
        self.register_buffer("histogram", torch.zeros(shape, dtype=torch.int64))
        self._history: list[Look] = []
        Quantizer._mirror(self)  # what a subclass has of its own is not there yet
        self.register_load_state_dict_post_hook(_adopt_state)

    def forward(self, weight: Tensor) -> Tensor:
        """Return the quantized tensor, in shape and dtype of `weight`, which gets its gradient.

        NaN in `weight` stays NaN, for the loop's check of the loss to find.

        Raises:
            UserError: the first tensor seen has values that are not finite.
        """
        if self.config.post_training and self.training:
            self.forget()
            return weight
        if not self.ready:
            self.initialise(weight)
        shown = self._show(weight.detach(), self.training)
        return shown + (weight - weight.detach())  # adds zeros, so the shown values stay exact

    @torch.no_grad()
    def initialise(self, weight: Tensor, step: int = 0) -> None:
        """Make the codebooks from `weight`, whatever was before.

        Raises:
            UserError: `weight` has values that are not finite or beyond float16.
        """
        self._record(step, 0.0, True, weight, self._cluster(weight, step))

    @torch.no_grad()
    def observe(self, step: int, weight: Tensor, epoch_steps: int) -> None:
        """Cluster again if it is due: constrained adaptive clustering, after each optimiser step.

        Does nothing, and asks no device, until the interval is over; nor where no step has shown
        the tensor yet, as 2SFS does its classifier at first, or `post_training` shows it as it is.
        From then on every call compares the histogram of indices that `weight` has now with the one
        that the last clustering left, and clusters anew above the threshold. With several codebooks
        it is one histogram over (codebook, entry), the drift of which is the mean of theirs. Our
        choice: a codebook of equal entries, as of a tensor that starts as all zeros, is compared at
        once.

        Args:
            step: optimiser steps done in this run of training, so 1 at the first call.
            weight: what `forward` is given, as `quantized_tensors` finds it.
            epoch_steps: steps in an epoch, the interval if the configuration gives none.

        Raises:
            UserError: `weight` has values that are not finite or beyond float16.
        """
        due = step - self._last >= (self.config.min_interval_steps or epoch_steps)
        if not self.ready or not (due or self._flat):
            return
        shown = self._nearest(weight)  # looked up once: this is done in every step
        kl = drift(self._count(shown[0]), self._counts)
        drifted = kl > self.config.kl_threshold
        if drifted:
            shown = self._cluster(weight, step)
        self._record(step, kl, drifted, weight, shown)

    def encode(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Return what has to be stored: indices (uint8, shape of `weight`) and codebooks (float16).

        `decode` of these is what `forward` shows in evaluation, bit for bit.

        Raises:
            UserError: `weight` has values that are not finite or beyond float16.
        """
        require_finite(weight)
        if not self.ready:
            self.initialise(weight)
        indices, codebooks = self._assign(weight, training=False)
        require_half(codebooks)
        return indices.to(torch.uint8).reshape(weight.shape), codebooks

    def pop_history(self) -> list[ClusteringCheck]:
        """Return the checks since the last call, or since a state was loaded; forgets them.

        Their numbers stay on the device until then.

        Raises:
            UserError: a tensor had values that are not finite or beyond float16.
        """
        looks, self._history = self._history, []
        return [look.read() for look in looks]

    def _show(self, weight: Tensor, training: bool) -> Tensor:
        """Return what stands in the place of `weight`."""
        indices, codebooks = self._assign(weight, training)
        return decode(indices, codebooks, weight.dtype).view(weight.shape)

    def _assign(self, weight: Tensor, training: bool) -> Shown:
        """Return what stands for the values: the nearest entries, unless a kind has others."""
        return self._nearest(weight)

    @torch.no_grad()
    def _nearest(self, weight: Tensor) -> Shown:
        """Return the nearest entry for each value.

        Codebooks are in units of `weight`. Distances are compared after scaling back, which orders
        them as before, and against the rounded entries, which are the ones shown. Halfway, the
        lower entry is taken.
        """
        values = self._rows(weight)
        codebooks = self._scaled(values)
        entries = codebooks.float()
        return torch.searchsorted((entries[:, 1:] + entries[:, :-1]) / 2, values), codebooks

    def _rows(self, weight: Tensor) -> Tensor:
        """Return the values that share a codebook in a row each, [codebooks, values], float32."""
        return weight.float().reshape(len(self.codebook), -1).contiguous()

    def _scaled(self, values: Tensor) -> Tensor:
        """Return codebooks in units of the values, float16."""
        scaled = self.codebook
        if self.config.normalise:
            std, mean = torch.std_mean(values, dim=1, correction=0, keepdim=True)
            scaled = scaled * std + mean
        return scaled.half() + 0.0  # no minus zero: forward would show it as plus zero

    @torch.no_grad()
    def _cluster(self, weight: Tensor, step: int) -> Shown:
        """Make the codebooks; return the nearest entries."""
        require_finite(weight)
        values = self._rows(weight)
        if self.config.normalise:
            std, mean = torch.std_mean(values, dim=1, correction=0, keepdim=True)
            values = (values - mean) / torch.where(std > 0, std, 1.0)  # a constant becomes zeros
        rows = values.cpu().numpy().astype(np.float64)
        self.codebook.copy_(torch.from_numpy(np.stack([self.config.fit(row) for row in rows])))
        return self._clustered(weight, step)

    def _clustered(self, weight: Tensor, step: int) -> Shown:
        """Note that the codebooks are those of `weight` now; return the nearest entries."""
        shown = self._nearest(weight)
        require_half(shown[1])
        self.last_step.fill_(step)
        self.histogram.copy_(self._count(shown[0]))
        self._mirror()
        return shown

    def _count(self, indices: Tensor) -> Tensor:
        """Count how many values each entry serves, [codebooks, 2**bits]."""
        codebooks, entries = self.codebook.shape
        if codebooks > 1:
            indices = indices + entries * torch.arange(codebooks, device=indices.device)[:, None]
        flat = indices.flatten()
        # bincount would ask a GPU for the largest index
        counts = torch.zeros(codebooks * entries, dtype=torch.int64, device=flat.device)
        return counts.scatter_add_(0, flat, torch.ones_like(flat)).view(codebooks, entries)

    def _error(self, weight: Tensor, indices: Tensor, codebooks: Tensor) -> Tensor:
        """Return the mean squared error of the entries against the values, one number."""
        return F.mse_loss(decode(indices, codebooks), self._rows(weight))

    def _record(self, step: int, kl: float, made: bool, weight: Tensor, shown: Shown) -> None:
        """Keep a look at the tensor, and whether the codebooks were `made` anew."""
        finite, error = torch.isfinite(weight).all(), self._error(weight, *shown)
        self._history.append(Look(step, kl, made, finite, error, shown[1]))

    @property
    def layout(self) -> tuple[int, ...]:
        """What decides on shapes in `forward` and may change in a clustering."""
        return ()

    def forget(self) -> None:
        """Let the tensor change as if it had never been quantized."""
        if self.ready:
            self.last_step.fill_(-1)
            self._history.clear()
            self._mirror()

    def _mirror(self) -> None:
        """Copy to the host what every step asks for, so that no step waits for the device."""
        self._last = int(self.last_step)
        self.ready = self._last >= 0
        self._flat = bool((self.codebook[:, 0] == self.codebook[:, -1]).any())
        self._counts = self.histogram.cpu()


def decode(indices: Tensor, codebooks: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return the tensor that `Quantizer.encode` described, in the shape of `indices`."""
    rows = indices.long().reshape(len(codebooks), -1)
    return codebooks.to(dtype).gather(1, rows).view(indices.shape)


def _adopt_state(quantizer: Quantizer, _incompatible: object) -> None:
    """Load codebooks; the list of clusterings is empty, since it is stored with the history."""
    quantizer._mirror()
    quantizer._history.clear()
