"""Write a trained prompt as one folder that runs without torch: ONNX graphs, labels, hashes.

Loaded by name, so that the ONNX libraries, an extra of the package, are imported by those who
export alone.
"""

from vlprompt_pipeline.lazy import lazy_names

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ImageSamples": "samples",
        "ShippedModel": "contents",
        "export_folder": "folder",
        "write_web_page": "web_page",
    },
)
