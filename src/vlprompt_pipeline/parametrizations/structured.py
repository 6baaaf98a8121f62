"""A quantizer for matrices whose columns differ: scales of rows and columns, outliers kept."""

from __future__ import annotations

import logging

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vlprompt_pipeline.parametrizations.config import QuantizeConfig
from vlprompt_pipeline.parametrizations.half import require_finite, require_half
from vlprompt_pipeline.parametrizations.quantizer import Quantizer, decode
from vlprompt_pipeline.parametrizations.scaled import fit_scaled

logger = logging.getLogger(__name__)

OUTLIER_FACTOR = 6.0  # our choice: real ones are 10 times the rest, those of normal values below 3


class StructuredQuantizer(Quantizer):
    """Shows a matrix as entry · scale of the row · scale of the column, some columns as they are.

    Rows run along the last dimension. The scales are ones without `codebook: scaled`, and no column
    is kept without `outliers: keep`; both are chosen when the codebook is made.
    """

    kept: Tensor
    rows: Tensor
    columns: Tensor

    def __init__(self, config: QuantizeConfig, shape: torch.Size) -> None:
        super().__init__(config)
        count = int(np.prod(shape[:-1]))
        self.register_buffer("kept", torch.zeros(shape[-1], dtype=torch.bool))
        self.register_buffer("rows", torch.ones(count, dtype=torch.float16))
        self.register_buffer("columns", torch.ones(shape[-1], dtype=torch.float16))

    def _matrix(self, weight: Tensor) -> Tensor:
        matrix = weight.float().reshape(len(self.rows), -1)
        return matrix - matrix.mean(0) if self.config.centre else matrix

    def _rows(self, weight: Tensor) -> Tensor:
        units = self._matrix(weight) / (self.rows.float()[:, None] * self.columns.float())
        return units[:, ~self.kept].reshape(1, -1).contiguous()

    def _show(self, weight: Tensor, training: bool) -> Tensor:
        indices, codebooks = self._assign(weight, training)
        return self.restore(weight, indices, codebooks).to(weight.dtype).view(weight.shape)

    def restore(self, weight: Tensor, indices: Tensor, codebooks: Tensor) -> Tensor:
        """Return the matrix that indices of the columns not kept stand for, in single precision."""
        shown = self._matrix(weight).half().float()
        entries = decode(indices, codebooks).view(len(self.rows), -1)
        columns = self.columns[~self.kept].float()
        shown[:, ~self.kept] = entries * self.rows.float()[:, None] * columns
        return shown

    @torch.no_grad()
    def parts(self, weight: Tensor) -> tuple[Tensor, ...]:
        """What a file holds: indices, codebook, scales of rows and columns, kept columns' values.

        Indices `[rows, columns not kept]`; the fifth is `[rows, kept]`, the sixth which these are.
        """
        indices, codebooks = self.encode_matrix(weight)
        columns = self.kept.nonzero()[:, 0]
        values = self._matrix(weight).half()[:, self.kept]
        require_half(codebooks, self.rows, self.columns, values)
        return indices, codebooks[0], self.rows, self.columns[~self.kept], values, columns

    def encode_matrix(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Indices `[rows, columns not kept]` (uint8) and the codebook `[1, entries]` (float16)."""
        require_finite(weight)
        if not self._ready:
            self.initialise(weight)
        indices, codebooks = self._assign(weight, training=False)
        return indices.to(torch.uint8).view(len(self.rows), -1), codebooks

    @torch.no_grad()
    def _cluster(self, weight: Tensor, step: int) -> None:
        matrix = self._matrix(weight)
        self.kept.fill_(False)
        if self.config.outliers == "keep":
            self.kept.copy_(outlier_columns(matrix))
        self.rows.fill_(1.0)
        self.columns.fill_(1.0)
        if self.config.codebook == "scaled":
            left = matrix[:, ~self.kept].cpu().double().numpy()
            codes = fit_scaled(left, self.config.bits)
            self.rows.copy_(_usable(torch.from_numpy(codes.rows)))
            self.columns[~self.kept] = _usable(torch.from_numpy(codes.columns)).to(self.columns)
        super()._cluster(weight, step)

    def _error(self, weight: Tensor, indices: Tensor, codebooks: Tensor) -> float:
        return F.mse_loss(self.restore(weight, indices, codebooks), self._matrix(weight)).item()


def outlier_columns(matrix: Tensor) -> Tensor:
    """Return which columns of `[rows, columns]` are outliers, `[columns]` bool.

    Those whose root mean square is above 6 times the median of all. A single row has none: its
    columns are single values.
    """
    if len(matrix) < 2:
        return torch.zeros(matrix.shape[1], dtype=torch.bool, device=matrix.device)
    size = matrix.float().square().mean(0).sqrt()
    return size > OUTLIER_FACTOR * size.median()


def warn_of_outliers(name: str, tensor: Tensor, config: QuantizeConfig) -> None:
    """Log a warning where one codebook for a whole tensor meets columns that spoil it."""
    if config.codebook != "tensor" or config.outliers == "keep" or tensor.ndim < 2:
        return
    matrix = tensor.detach().reshape(-1, tensor.shape[-1])
    columns = outlier_columns(matrix).nonzero()[:, 0].tolist()
    if columns:
        logger.warning(
            "%s has outlier columns (%s), on which a codebook of %d bits for the whole tensor is "
            "lost: set quantize.outliers to keep, or quantize.codebook to scaled",
            name,
            ", ".join(map(str, columns[:8])),
            config.bits,
        )


def _usable(scales: Tensor) -> Tensor:
    """Scales that half precision rounded to zero would divide by zero."""
    return torch.where(scales == 0, torch.ones_like(scales), scales)
