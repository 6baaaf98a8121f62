"""The parameters of the export to ONNX."""

from __future__ import annotations

from vlprompt_pipeline.parsing import Parameters


class OnnxParameters(Parameters):
    """What the folders of `kedro run --pipelines=onnx` hold.

    Attributes:
        web: whether they have a page on which one drops photos, which needs npm once.
        web_runtime: the archive of onnxruntime-web, instead of fetching it.
    """

    web: bool = False
    web_runtime: str | None = None
