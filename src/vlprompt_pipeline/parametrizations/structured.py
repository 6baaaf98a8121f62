"""A quantizer for matrices whose columns differ: scales of rows and columns, outliers kept."""

from __future__ import annotations

import logging
import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vlprompt_pipeline.parametrizations.config import QuantizeConfig
from vlprompt_pipeline.parametrizations.half import require_finite, require_half
from vlprompt_pipeline.parametrizations.quantizer import Quantizer, Shown, decode
from vlprompt_pipeline.parametrizations.scaled import fit_scaled, nonzero

logger = logging.getLogger(__name__)

MANY_ROWS = 16  # our choice: scales of columns take 16 bits each, so 1 a value at most
OUTLIER_FACTOR = 6.0  # our choice: real ones are 10 times the rest, those of normal values below 3


class StructuredQuantizer(Quantizer):
    """Shows a matrix as entry · scale of the row · scale of the column, some columns as they are.

    Rows run along the last dimension. What is done is chosen whenever codebooks are made. With
    `codebook: auto` it follows from the values: where some columns are outliers
    (`outlier_columns`), a matrix of 16 rows or more has scales, one of fewer keeps these columns;
    any other has one codebook for its values, as `Quantizer`. Without `auto` there are scales where
    it is `scaled`, and columns are kept where `outliers` says so.

    With a `moment`, what is shown are the codes that were chosen with the codebook, whatever
    becomes of the weight: for quantization after training.
    """

    kept: Tensor
    rows: Tensor
    columns: Tensor
    codes: Tensor | None

    def __init__(
        self, config: QuantizeConfig, shape: torch.Size, moment: Tensor | None = None
    ) -> None:
        """`moment` `[columns, columns]` is that of the features the matrix is multiplied with."""
        if config.moment == "few_shot":
            config = config.model_copy(update={"normalise": False})  # entries as they were fitted
        super().__init__(config)
        count = math.prod(shape[:-1])
        self.register_buffer("kept", torch.zeros(shape[-1], dtype=torch.bool))
        self.register_buffer("rows", torch.ones(count, dtype=torch.float16))
        self.register_buffer("columns", torch.ones(shape[-1], dtype=torch.float16))
        held = torch.zeros(count, shape[-1], dtype=torch.uint8)
        self.register_buffer("codes", held if config.moment == "few_shot" else None)
        self.register_buffer("moment", moment, persistent=False)
        self._is_plain = False
        self._lists: dict[tuple[torch.device, tuple[int, ...]], Tensor] = {}
        self._list_columns()

    def is_plain_for(self, weight: Tensor) -> bool:
        """Say whether one codebook serves all values as they are.

        Makes it where there is none yet.
        """
        if not self.ready:
            self.initialise(weight)
        return self._is_plain

    def _matrix(self, weight: Tensor) -> Tensor:
        matrix = weight.float().reshape(len(self.rows), -1)
        return matrix - matrix.mean(0) if self.config.centre else matrix

    def _rows(self, weight: Tensor) -> Tensor:
        if self._is_plain:
            return super()._rows(weight)
        units = self._matrix(weight) / (self.rows.float()[:, None] * self.columns.float())
        return units.index_select(1, self._coded).reshape(1, -1).contiguous()

    def _nearest(self, weight: Tensor) -> Shown:
        if self.codes is None:
            return super()._nearest(weight)
        return self.codes.long().reshape(1, -1), self.codebook.half() + 0.0

    def _show(self, weight: Tensor, training: bool) -> Tensor:
        if self._is_plain:
            return super()._show(weight, training)
        indices, codebooks = self._assign(weight, training)
        return self.restore(weight, indices, codebooks).to(weight.dtype).view(weight.shape)

    def restore(self, weight: Tensor, indices: Tensor, codebooks: Tensor) -> Tensor:
        """Return the matrix that indices of the columns not kept stand for, in single precision."""
        shown = self._matrix(weight).half().float()
        entries = decode(indices, codebooks).view(len(self.rows), -1)
        columns = self.columns.index_select(0, self._coded).float()
        coded = entries * self.rows.float()[:, None] * columns
        return shown.index_copy_(1, self._coded, coded)

    @torch.no_grad()
    def parts(self, weight: Tensor) -> tuple[Tensor, ...]:
        """Return what a file holds.

        Returns:
            Indices `[rows, columns not kept]` (uint8), the codebook `[entries]`, scales of the rows
            and of the columns not kept, values `[rows, kept]`, all in half precision, and which
            columns are kept.
        """
        require_finite(weight)
        if not self.ready:
            self.initialise(weight)
        indices, codebooks = self._assign(weight, training=False)
        indices = indices.to(torch.uint8).view(len(self.rows), -1)
        kept = self.kept.nonzero()[:, 0]
        values = self._matrix(weight).half()[:, self.kept]
        require_half(codebooks, self.rows, self.columns, values)
        return indices, codebooks[0], self.rows, self.columns[~self.kept], values, kept

    @torch.no_grad()
    def _cluster(self, weight: Tensor, step: int) -> Shown:
        require_finite(weight)
        matrix = self._matrix(weight)
        self.rows.fill_(1.0)
        self.columns.fill_(1.0)
        scaled, kept = choose(matrix, self.config)
        self.kept.copy_(kept)
        self._list_columns()
        self._is_plain = False
        if scaled:
            left = matrix[:, ~self.kept].cpu().double().numpy()
            moment = None if self.moment is None else self.moment.cpu().double().numpy()
            codes = fit_scaled(left, self.config.bits, moment, self.config.rate)
            self.rows.copy_(torch.from_numpy(nonzero(codes.rows)))
            self.columns[~self.kept] = torch.from_numpy(nonzero(codes.columns)).to(self.columns)
            if self.codes is not None:
                self.codes.copy_(torch.from_numpy(codes.indices))
                self.codebook.copy_(torch.from_numpy(codes.codebook.astype(np.float32)))
                return self._clustered(weight, step)
        return super()._cluster(weight, step)

    def _error(self, weight: Tensor, indices: Tensor, codebooks: Tensor) -> Tensor:
        if self._is_plain:
            return super()._error(weight, indices, codebooks)
        return F.mse_loss(self.restore(weight, indices, codebooks), self._matrix(weight))

    @property
    def layout(self) -> tuple[int, ...]:
        """Whether one codebook serves all values, and the columns that have codes."""
        return (int(self._is_plain), *self._coded_columns)

    def _list_columns(self) -> None:
        """Keep which columns have codes: asking in every step would wait for the device.

        The same columns have the same tensor each time, which a recorded step goes on reading.
        """
        coded = (~self.kept).nonzero()[:, 0]
        self._coded_columns = tuple(coded.tolist())
        self._coded = self._lists.setdefault((coded.device, self._coded_columns), coded)

    def _mirror(self) -> None:
        super()._mirror()
        self._list_columns()
        if not self.config.asks_for_columns:
            untouched = (self.rows == 1).all() & (self.columns == 1).all() & ~self.kept.any()
            self._is_plain = self.ready and bool(untouched)


def choose(matrix: Tensor, config: QuantizeConfig) -> tuple[bool, Tensor]:
    """Say whether a matrix `[rows, columns]` has scales, and which columns `[columns]` it keeps."""
    outliers, none = outlier_columns(matrix), torch.zeros_like(matrix[0], dtype=torch.bool)
    if config.codebook == "auto" and config.outliers == "quantize":
        scaled = bool(outliers.any()) and len(matrix) >= MANY_ROWS
        return scaled, none if scaled else outliers
    return config.codebook == "scaled", outliers if config.outliers == "keep" else none


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
    """Log a warning where a tensor has columns that spoil one codebook for all of it.

    It says what is done about them, or what to set.
    """
    if tensor.ndim < 2 or config.codebook == "scaled" or config.outliers == "keep":
        return
    matrix = tensor.detach().reshape(-1, tensor.shape[-1])
    outliers = outlier_columns(matrix).nonzero()[:, 0].tolist()
    if not outliers:
        return
    done = "set quantize.outliers to keep, or quantize.codebook to auto or scaled"
    if config.structured and config.codebook == "auto":
        scaled, _ = choose(matrix, config)
        done = "values get scales of rows and columns" if scaled else "they stay in half precision"
    logger.warning(
        "%s has outlier columns (%s), on which a codebook of %d bits for the whole tensor is "
        "lost: %s",
        name,
        ", ".join(map(str, outliers[:8])),
        config.bits,
        done,
    )
