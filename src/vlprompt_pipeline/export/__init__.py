"""What leaves the project: the packed prompt, the class-feature head, the unquantized master."""

from vlprompt_pipeline.export.head import ClassHead, class_head
from vlprompt_pipeline.export.learner import load_learner, pack_learner
from vlprompt_pipeline.export.master import master_bytes, master_tensors
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
    "ClassHead",
    "DenseTensor",
    "PackedPrompt",
    "PackedTensor",
    "QuantizedTensor",
    "Sizes",
    "class_head",
    "load_learner",
    "master_bytes",
    "master_tensors",
    "pack",
    "pack_learner",
    "prompt_sizes",
    "unpack",
]
