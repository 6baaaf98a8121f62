"""What leaves the project: packed prompt, classifier weights, full-precision weights."""

from vlprompt_pipeline.export.classifier_weights import ClassifierWeights, classifier_weights
from vlprompt_pipeline.export.full_precision import full_precision_bytes, full_precision_tensors
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
    "ClassifierWeights",
    "DenseTensor",
    "PackedPrompt",
    "PackedTensor",
    "QuantizedTensor",
    "Sizes",
    "classifier_weights",
    "full_precision_bytes",
    "full_precision_tensors",
    "load_learner",
    "pack",
    "pack_learner",
    "prompt_sizes",
    "unpack",
]
