"""What leaves the project: packed prompt, classifier weights, full-precision weights.

Loaded by name, so that a packed prompt is read with numpy alone: torch takes seconds.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "ClassifierWeights": "classifier_weights",
    "DenseTensor": "packed",
    "PackedPrompt": "packed",
    "PackedTensor": "packed",
    "QuantizedTensor": "packed",
    "Sizes": "packed",
    "full_precision_bytes": "full_precision",
    "full_precision_tensors": "full_precision",
    "load_learner": "learner",
    "pack": "packed",
    "pack_learner": "learner",
    "prompt_sizes": "packed",
    "unpack": "packed",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
