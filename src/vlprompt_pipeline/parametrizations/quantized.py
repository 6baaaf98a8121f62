"""Quantizers by name, and those that a module has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

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


@dataclass(frozen=True)
class QuantizedTensor:
    """A quantized tensor: its name, its quantizer, and the quantizer's position in a chain."""

    name: str
    quantizer: Quantizer
    chain: parametrize.ParametrizationList
    position: int

    @torch.no_grad()
    def weight(self) -> Tensor:
        """Return what the quantizer is given now, as in evaluation: without noise of training."""
        chain = self.chain
        if self.position == 0:
            return chain.original
        names = ["original"] if chain.is_tensor else [f"original{i}" for i in range(chain.ntensors)]
        training = chain.training
        chain.eval()
        first, *others = islice(chain, self.position)
        value = first(*(getattr(chain, name) for name in names))
        for link in others:
            value = link(value)
        chain.train(training)
        return value


def quantized_tensors(module: nn.Module) -> Iterator[tuple[str, Quantizer, Tensor]]:
    """Yield every quantized tensor under `module`: its name, its quantizer, and what that is given.

    The name is that of the tensor in the module without parametrizations, such as `context`, or
    `context.a` for a factor. What the quantizer is given has passed the parametrizations put on
    before it.
    """
    for each in find_quantized(module):
        yield each.name, each.quantizer, each.weight()


def find_quantized(module: nn.Module) -> Iterator[QuantizedTensor]:
    """Yield every quantized tensor under `module`, nothing of it computed."""
    for path, owner in module.named_modules():
        if not parametrize.is_parametrized(owner):
            continue
        for name, chain in owner.parametrizations.items():
            for number, link in enumerate(chain):
                if isinstance(link, Quantizer):
                    shown = tensor_name(f"{path}.{name}".lstrip("."))
                    yield QuantizedTensor(shown, link, chain, number)
