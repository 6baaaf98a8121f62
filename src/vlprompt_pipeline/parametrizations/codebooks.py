"""Where the entries of a codebook lie: that, and no more, tells most quantizers apart.

A codebook is fitted to the values that share it, `[values]`, and is ascending, `[entries]`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vlprompt_pipeline.parametrizations.clustering import kmeans_1d, lloyd_1d

Floats = NDArray[np.float64]
QuantizerName = Literal[
    "kmeans", "lloyd_max", "uniform", "symmetric", "power_of_two", "stochastic", "gaussian"
]
Start = Literal["quantiles", "range"]


def min_max(values: Floats, entries: int) -> Floats:
    """Evenly spaced from the least value to the largest."""
    return np.linspace(values.min(), values.max(), entries)


def symmetric(values: Floats, entries: int) -> Floats:
    """Evenly spaced from -m to m, m the largest magnitude.

    Zero is no entry (our choice), so that 1 bit has two of them.
    """
    most = np.abs(values).max()
    return np.linspace(-most, most, entries)


def power_of_two(values: Floats, entries: int) -> Floats:
    """±2^e for the largest exponent and those below it, half of the entries on each side of zero.

    The largest exponent is floor(log2(4/3 · largest magnitude)), which rounds to the nearest power
    (Zhou et al., Incremental Network Quantization, ICLR 2017, equation 2).
    """
    most = np.abs(values).max()
    exponent = math.floor(math.log2(4 / 3 * most)) if most else 0
    powers = 2.0 ** (exponent - np.arange(entries // 2))
    return np.concatenate((-powers, powers[::-1]))


def quantiles(values: Floats, entries: int) -> Floats:
    """The middles of as many equally filled parts of the values."""
    return np.quantile(values, (np.arange(entries) + 0.5) / entries)


def lloyd_max(values: Floats, entries: int, start: Start) -> Floats:
    """Where Lloyd's iteration ends from quantiles or from evenly spaced entries: a local optimum.

    Lloyd, Least squares quantization in PCM, IEEE Trans. Inf. Theory 28/2, 1982, method I, on the
    values themselves in place of a density.
    """
    return lloyd_1d(values, {"quantiles": quantiles, "range": min_max}[start](values, entries))


_FITS: dict[str, Callable[[Floats, int], Floats]] = {
    "kmeans": kmeans_1d,
    "uniform": min_max,
    "symmetric": symmetric,
    "power_of_two": power_of_two,
    "stochastic": min_max,
    "gaussian": kmeans_1d,  # its error gives the variance of the noise
}


def fit_codebook(values: Floats, quantizer: QuantizerName, entries: int, start: Start) -> Floats:
    """The codebook of a quantizer by name; `start` is where the iteration of `lloyd_max` begins."""
    if quantizer == "lloyd_max":
        return lloyd_max(values, entries, start)
    return _FITS[quantizer](values, entries)
