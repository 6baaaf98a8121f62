"""±2^e for the largest exponent and those below it, half of the entries on each side of zero.

The largest exponent is floor(log2(4/3 · largest magnitude)), which rounds to the nearest power
(Zhou et al., Incremental Network Quantization, ICLR 2017, equation 2).
"""

from __future__ import annotations

import math

import numpy as np

from vlprompt_pipeline.parametrizations.registry import Floats, QuantizerKind, Start, register


def power_of_two(values: Floats, entries: int, start: Start) -> Floats:
    """Take the powers of two nearest to the largest magnitude; `start` changes nothing."""
    most = np.abs(values).max()
    exponent = math.floor(math.log2(4 / 3 * most)) if most else 0
    powers = 2.0 ** (exponent - np.arange(entries // 2))
    return np.concatenate((-powers, powers[::-1]))


register(QuantizerKind("power_of_two", "power of two", power_of_two))
