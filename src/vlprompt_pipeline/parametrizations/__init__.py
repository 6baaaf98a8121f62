"""What a prompt tensor may be made of: parametrizations that go on any method's tensor.

The interface of the quantizers, all of which are a `Quantizer`:

- A recipe's `quantize` section is a `QuantizeConfig`; `build_learner` puts `make_quantizer(config,
  shape, generator)` on every trained tensor, and `quantize_after` on those of a trained learner.
- `quantizer(weight)` is the quantized tensor with a straight-through gradient. In evaluation mode
  it is the same every time, and float16 holds it exactly. No learner is needed to look at one:
  `make_quantizer(config, weight.shape, generator).eval()(weight)`.
- `quantizer.encode(weight)` is what a file holds of it, indices and codebooks; `decode` of these
  is what evaluation shows, bit for bit. Where `stores_indices` is false (noise) the tensor itself
  is stored.
- `quantizer.observe(step, weight, epoch_steps)` after each step of training clusters anew where
  the tensor has drifted, and `pop_history()` tells of it. `train` does both: rows of its history
  hold the re-clusterings of their epoch under `clusterings`, as `clustering_row` makes them.
- `quantized_tensors(learner)` finds all quantizers with their tensors' names and
  full-precision weights.
"""

from importlib import import_module
from pkgutil import iter_modules

from vlprompt_pipeline.parametrizations import quantizers
from vlprompt_pipeline.parametrizations.checks import (
    CLUSTERING_COLUMNS,
    ClusteringCheck,
    clustering_row,
)
from vlprompt_pipeline.parametrizations.clustering import kmeans_1d, lloyd_1d
from vlprompt_pipeline.parametrizations.config import QuantizeConfig
from vlprompt_pipeline.parametrizations.quantized import (
    make_quantizer,
    quantized_tensors,
)
from vlprompt_pipeline.parametrizations.quantizer import Quantizer, decode
from vlprompt_pipeline.parametrizations.registry import QUANTIZERS, QuantizerKind, register

__all__ = [
    "CLUSTERING_COLUMNS",
    "QUANTIZERS",
    "ClusteringCheck",
    "QuantizeConfig",
    "Quantizer",
    "QuantizerKind",
    "clustering_row",
    "decode",
    "kmeans_1d",
    "lloyd_1d",
    "make_quantizer",
    "quantized_tensors",
    "register",
]

for _module in iter_modules(quantizers.__path__):
    import_module(f"{quantizers.__name__}.{_module.name}")
