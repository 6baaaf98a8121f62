"""Quantizers by name, and those that a module has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.nn.utils import parametrize

from vlprompt_pipeline.parametrizations.config import QuantizeConfig
from vlprompt_pipeline.parametrizations.naming import tensor_name
from vlprompt_pipeline.parametrizations.quantizer import Quantizer
from vlprompt_pipeline.parametrizations.registry import QUANTIZERS
from vlprompt_pipeline.parametrizations.structured import StructuredQuantizer


def make_quantizer(
    config: QuantizeConfig,
    shape: Sequence[int],
    generator: Generator,
    name: str = "the tensor",
    moment: Tensor | None = None,
) -> Quantizer:
    """Return the quantizer that a configuration asks for, for a tensor of that shape.

    `moment` `[columns, columns]` is that of the features that the tensor is multiplied with.

    Raises:
        ConfigError: groups do not fill the tensor.
    """
    if config.structured and len(shape) > 1:
        return StructuredQuantizer(config, torch.Size(shape), moment)
    codebooks = config.codebooks(shape, name)
    make = QUANTIZERS[config.quantizer].parametrization
    return Quantizer(config, codebooks) if make is None else make(config, generator, codebooks)


class QuantizedTensor(NamedTuple):
    """A quantized tensor: its name, its quantizer, and the full-precision weights it is given."""

    name: str
    quantizer: Quantizer
    weight: Tensor


def quantized_tensors(module: nn.Module) -> Iterator[QuantizedTensor]:
    """Yield every quantized tensor under `module`.

    The name is that of the tensor in the module without parametrizations, such as `context`, or
    `context.a` for a factor.
    """
    for path, owner in module.named_modules():
        if not parametrize.is_parametrized(owner):
            continue
        for name, chain in owner.parametrizations.items():
            if isinstance(chain[0], Quantizer):
                shown = tensor_name(f"{path}.{name}".lstrip("."))
                yield QuantizedTensor(shown, chain[0], chain.original)
