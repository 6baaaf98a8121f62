"""What leaves the project: the packed prompt, and the other formats of `formats`.

Loaded by name, so that a packed prompt is read with numpy alone: torch takes seconds.
"""

from vlprompt_pipeline.lazy import lazy_names

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ClassifierWeights": "formats.classifier_weights",
        "DenseTensor": "tensors",
        "EXPORT_FORMATS": "formats",
        "ExportContext": "formats",
        "ExportFormat": "formats",
        "PackedPrompt": "packed",
        "PackedTensor": "tensors",
        "QuantizedTensor": "tensors",
        "Sizes": "packed",
        "load_learner": "learner",
        "pack": "packed",
        "pack_learner": "learner",
        "prompt_sizes": "packed",
        "register": "formats",
        "unpack": "packed",
    },
)
