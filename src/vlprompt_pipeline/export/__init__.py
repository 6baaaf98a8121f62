"""What leaves the project: the packed prompt, and the other formats of `formats`.

Loaded by name, so that a packed prompt is read with numpy alone: torch takes seconds.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "ClassifierWeights": "formats.classifier_weights",
    "DenseTensor": "packed",
    "EXPORT_FORMATS": "formats",
    "ExportContext": "formats",
    "ExportFormat": "formats",
    "PackedPrompt": "packed",
    "PackedTensor": "packed",
    "QuantizedTensor": "packed",
    "Sizes": "packed",
    "load_learner": "learner",
    "pack": "packed",
    "pack_learner": "learner",
    "prompt_sizes": "packed",
    "register": "formats",
    "unpack": "packed",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
