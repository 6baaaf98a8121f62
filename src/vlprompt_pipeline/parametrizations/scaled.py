"""One codebook for values in units of their row and column: what outlier columns cannot spoil.

Features of real CLIPs have a few columns ten times larger than the others. A codebook for the
whole matrix spends its entries on them; here w_ij ≈ r_i · c_j · q, with a scale for each row and
column in half precision and q from one codebook, all fitted by alternating least squares (our
choice; with one bit it is the rank-one scaling of XNOR-Net, Rastegari et al., ECCV 2016). 80 × 512
values in 1 bit take 1.23 bits each, all counted.

With the second moment M of the features that the matrix is multiplied with, not the error of the
values is minimised but that of the products, tr(E M Eᵀ): column by column, errors already made are
made up for by the columns still to come (coordinate descent on the codes, as in GPTQ, Frantar et
al., ICLR 2023), in turn with the scales.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vlprompt_pipeline.parametrizations.clustering import Floats, kmeans_1d
from vlprompt_pipeline.parametrizations.rate import entries_at_rate

# Our choices: rounds of alternation after which real CLIP features change no code any more, and the
# share of the identity in the moment, without which few images would leave most directions free.
ROUNDS, SCALE_ROUNDS, MOMENT_ROUNDS, SWEEPS = 10, 5, 4, 4
SHRINKAGE = 0.1


@dataclass(frozen=True, eq=False)
class ScaledCodes:
    """A matrix as codes.

    Attributes:
        indices: `[rows, columns]` uint8 places in the codebook.
        codebook: `[entries]` float16, ascending.
        rows: `[rows]` float16 scales; columns: `[columns]` float16 scales.
    """

    indices: NDArray[np.uint8]
    codebook: NDArray[np.float16]
    rows: NDArray[np.float16]
    columns: NDArray[np.float16]

    def decode(self) -> NDArray[np.float32]:
        """Return the matrix, in the order of operations that the packed format prescribes."""
        entries, rows, columns = (
            part.astype(np.float32) for part in (self.codebook, self.rows, self.columns)
        )
        return entries[self.indices] * rows[:, None] * columns


def fit_scaled(
    weight: NDArray[np.floating], bits: int, moment: Floats | None = None, rate: float | None = None
) -> ScaledCodes:
    """Fit codebook and scales to a matrix, and codes to them.

    Args:
        weight: finite values `[rows, columns]`.
        bits: of an index, 1 to 8.
        moment: `[columns, columns]` mean of f fᵀ over the features that meet the matrix; none to
            minimise the error of the values themselves.
        rate: entropy of the indices in bits, for entropy coding; none for least squares.
    """
    values = np.asarray(weight, np.float64)
    rows = nonzero(np.sqrt(np.square(values).mean(1)))
    columns = nonzero(np.sqrt(np.square(values / rows[:, None]).mean(0)))
    for _ in range(ROUNDS):
        units = values / (rows[:, None] * columns)
        entries = (
            kmeans_1d(units, 2**bits) if rate is None else entries_at_rate(units, 2**bits, rate)
        )
        pattern = entries[nearest(units, entries)]
        rows, columns = _scales(values, pattern, rows, columns)
    if rate is not None:  # the scales have moved since, and with them how often entries are used
        entries = entries_at_rate(values / (rows[:, None] * columns), 2**bits, rate)
    if moment is not None:
        shrunk = (1 - SHRINKAGE) * moment
        shrunk += SHRINKAGE * np.trace(moment) / len(moment) * np.eye(len(moment))
        for _ in range(MOMENT_ROUNDS):
            pattern = _descend(values, pattern, rows, columns, entries, shrunk)
            rows, columns = _moment_scales(values, pattern, rows, columns, shrunk)
    codes = _rounded(values, entries, rows, columns)
    return codes if moment is None else replace(codes, indices=nearest(pattern, entries))


def nearest(values: Floats, entries: Floats) -> NDArray[np.uint8]:
    """Return the place of the nearest entry, the lower one halfway."""
    return np.searchsorted((entries[1:] + entries[:-1]) / 2, values).astype(np.uint8)


def _rounded(values: Floats, entries: Floats, rows: Floats, columns: Floats) -> ScaledCodes:
    """Round scales and codebook to half precision, then choose the codes anew."""
    balanced = _within_half(entries, rows, columns)
    parts = [part.astype(np.float16) for part in balanced]
    exact, by_row, by_column = (part.astype(np.float64) for part in parts)
    units = values / (nonzero(by_row)[:, None] * nonzero(by_column))
    return ScaledCodes(nearest(units, exact), *parts)


def _within_half(entries: Floats, rows: Floats, columns: Floats) -> tuple[Floats, Floats, Floats]:
    """Shift powers of two between the factors where half precision cannot hold them as they are.

    The fit leaves open how a value is shared among them, and with few rows they drift apart. Their
    product stays what it is.
    """
    half = np.finfo(np.float16)
    largest = np.array([np.abs(part).max() for part in (entries, rows, columns)])
    if not largest.all() or (half.tiny <= largest.min() and largest.max() <= half.max):
        return entries, rows, columns
    exponents = np.log2(largest)
    first, second = np.round(exponents - exponents.mean())[:2]
    return (entries * np.exp2(-first), rows * np.exp2(-second), columns * np.exp2(first + second))


def nonzero(scales: NDArray[np.floating]) -> NDArray[np.floating]:
    """Put 1 where a scale is zero, by which one would divide."""
    return np.where(scales == 0, 1.0, scales)


def _scales(
    values: Floats, pattern: Floats, rows: Floats, columns: Floats
) -> tuple[Floats, Floats]:
    """Return least-squares scales of a pattern of entries."""
    product, square = values * pattern, np.square(pattern)
    for _ in range(SCALE_ROUNDS):
        rows = nonzero(product @ columns / nonzero(square @ np.square(columns)))
        columns = nonzero(rows @ product / nonzero(np.square(rows) @ square))
    return rows, columns


def _descend(
    values: Floats, pattern: Floats, rows: Floats, columns: Floats, entries: Floats, moment: Floats
) -> Floats:
    """Change one column of codes after the other for the better, until none changes."""
    pattern = pattern.copy()
    shown = pattern * rows[:, None] * columns
    gradient = (values - shown) @ moment
    for _ in range(SWEEPS):
        changed = False
        for j, curvature in enumerate(np.diag(moment)):
            scale = rows * columns[j]
            best = (shown[:, j] + gradient[:, j] / curvature) / scale
            pattern[:, j] = entries[nearest(best, entries)]
            step = pattern[:, j] * scale - shown[:, j]
            if step.any():
                changed = True
                gradient -= step[:, None] * moment[j]
                shown[:, j] += step
        if not changed:
            break
    return pattern


def _moment_scales(
    values: Floats, pattern: Floats, rows: Floats, columns: Floats, moment: Floats
) -> tuple[Floats, Floats]:
    """Return scales that minimise the error of the products."""
    scaled = pattern * rows[:, None]
    system = moment * (scaled.T @ scaled)
    right = np.einsum("ij,ij->j", scaled, values @ moment)
    system += 1e-9 * np.trace(system) / len(system) * np.eye(len(system))
    columns = nonzero(np.linalg.solve(system, right))
    scaled = pattern * columns
    met = scaled @ moment
    return nonzero((met * values).sum(1) / nonzero((met * scaled).sum(1))), columns
