"""The quantizers by name. A quantizer is one module of `quantizers` that ends in `register(…)`.

Most are told apart by where the entries of a codebook lie, and by no more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from torch import Generator

from vlprompt_pipeline.parametrizations.clustering import Floats

if TYPE_CHECKING:
    from vlprompt_pipeline.parametrizations.config import QuantizeConfig
    from vlprompt_pipeline.parametrizations.quantizer import Quantizer

Start = Literal["quantiles", "range"]


@dataclass(frozen=True)
class QuantizerKind:
    """One way to quantize.

    Attributes:
        name: what a recipe's `quantize.quantizer` says.
        title: what figures call it.
        fit: fits a codebook to the values that share it: from the values, `[values]`, the number
            of entries, and where an iteration begins; gives the entries, ascending.
        parametrization: makes the module that stands on a tensor, of the configuration, a generator
            and the number of codebooks; None: a `Quantizer`, which shows the nearest entry.
        post_training: whether it can quantize a trained tensor.

    Example:
        >>> import numpy as np
        >>> from vlprompt_pipeline.parametrizations.registry import QuantizerKind
        >>> def fit(values, entries, start):
        ...     return np.quantile(values, np.linspace(0.1, 0.9, entries))
        >>> QuantizerKind("deciles", "deciles", fit).fit(np.arange(11.0), 2, "quantiles").tolist()
        [1.0, 9.0]
    """

    name: str
    title: str
    fit: Callable[[Floats, int, Start], Floats]
    parametrization: Callable[[QuantizeConfig, Generator, int], Quantizer] | None = None
    post_training: bool = True


QUANTIZERS: dict[str, QuantizerKind] = {}
"""Every registered quantizer by its name."""


def register(kind: QuantizerKind) -> None:
    """Make a quantizer known by its name, which must be new."""
    if kind.name in QUANTIZERS:
        raise ValueError(f"two quantizers are named {kind.name}")
    QUANTIZERS[kind.name] = kind


def require_quantizer(name: str) -> str:
    """Check that there is a quantizer of that name, for fields of parameters.

    Raises:
        ValueError: there is none; the message lists those there are.
    """
    if name not in QUANTIZERS:
        raise ValueError(f"quantizers are {', '.join(QUANTIZERS)}")
    return name
