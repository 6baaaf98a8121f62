"""Where Lloyd's iteration ends from quantiles or from evenly spaced entries: a local optimum.

Lloyd, Least squares quantization in PCM, IEEE Trans. Inf. Theory 28/2, 1982, method I, on the
values themselves in place of a density.
"""

from __future__ import annotations

import numpy as np

from vlprompt_pipeline.parametrizations.clustering import lloyd_1d
from vlprompt_pipeline.parametrizations.quantizers.uniform import min_max
from vlprompt_pipeline.parametrizations.registry import Floats, QuantizerKind, Start, register


def quantiles(values: Floats, entries: int) -> Floats:
    """Take the middles of as many equally filled parts of the values."""
    return np.quantile(values, (np.arange(entries) + 0.5) / entries)


def lloyd_max(values: Floats, entries: int, start: Start) -> Floats:
    """Iterate from where `start` says."""
    if start == "quantiles":
        return lloyd_1d(values, quantiles(values, entries))
    return lloyd_1d(values, min_max(values, entries, start))


register(QuantizerKind("lloyd_max", "Lloyd-Max", lloyd_max))
