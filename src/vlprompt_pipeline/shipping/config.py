"""The parameters of the export to ONNX."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from vlprompt_pipeline.parsing import Parameters


class OnnxParameters(Parameters):
    """What the folders of `kedro run --pipelines=onnx` hold.

    Attributes:
        web: whether they have a page on which one drops photos, which needs npm once.
        web_runtime: the archive of onnxruntime-web, instead of fetching it.
    """

    web: bool = False
    web_runtime: str | None = None

    @model_validator(mode="after")
    def _for_the_page(self) -> Self:
        if self.web_runtime and not self.web:
            raise ValueError("web_runtime is given but web is not: set web, or take it away")
        return self
