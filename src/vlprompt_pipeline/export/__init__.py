"""What leaves the project: the packed prompt."""

from vlprompt_pipeline.export.learner import load_learner, pack_learner
from vlprompt_pipeline.export.packed import (
    DenseTensor,
    PackedPrompt,
    PackedTensor,
    QuantizedTensor,
    Sizes,
    pack,
    prompt_sizes,
    unpack,
)

__all__ = [
    "DenseTensor",
    "PackedPrompt",
    "PackedTensor",
    "QuantizedTensor",
    "Sizes",
    "load_learner",
    "pack",
    "pack_learner",
    "prompt_sizes",
    "unpack",
]
