"""Trained and exported prompts as catalog entries."""

from __future__ import annotations

from typing import Any

from kedro.io import AbstractDataset

from vlprompt_pipeline.errors import PromptFileError
from vlprompt_pipeline.filesystem.manifests import (
    RUN_AGAIN,
    described_write,
    layer_path,
    remove_described,
    require_described,
)
from vlprompt_pipeline.filesystem.places import is_there, local
from vlprompt_pipeline.methods.trained import TrainedPrompt


class _FileDataset(AbstractDataset[Any, Any]):
    """A file with a manifest, in a place or here."""

    def __init__(self, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self.filepath, self.metadata = local(filepath), metadata

    def _exists(self) -> bool:
        return is_there(self.filepath)

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self.filepath)}


class PromptDataset(_FileDataset):
    """A trained prompt in safetensors: full-precision weights, codebooks, recipe and provenance."""

    def load(self) -> TrainedPrompt:
        """Read the prompt.

        Raises:
            UserError: the file is absent, broken or not as it was written.
        """
        if self._exists():
            require_described(self.filepath, layer_path(self.filepath), RUN_AGAIN)
        return TrainedPrompt.load(self.filepath)

    def save(self, data: TrainedPrompt) -> None:
        """Write atomically, and its manifest follows."""
        with described_write(self.filepath, layer_path(self.filepath)) as temporary:
            data.save(temporary)


class ExportDataset(_FileDataset):
    """A file that a prompt is exported as. Saving no bytes removes the file.

    `source` is the `{path: …}` of the trained prompt; once that changes the file is refused.
    With `optional`, for formats that not every prompt has, an absent file loads as no bytes.
    """

    def __init__(
        self,
        filepath: str,
        source: dict[str, str] | None = None,
        optional: bool = False,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(filepath, metadata)
        self._source, self._optional = source and local(source["path"]), optional

    def load(self) -> bytes:
        """Read the file.

        Raises:
            UserError: it is absent or not as it was written.
        """
        if not self._exists():
            if self._optional:
                return b""
            raise PromptFileError(
                f"{self.filepath} is not there: run quantization_export first, which leaves none "
                "where the method has no such file or export does not ask for it"
            )
        require_described(self.filepath, layer_path(self.filepath), RUN_AGAIN, self._source)
        return self.filepath.read_bytes()

    def save(self, data: bytes) -> None:
        """Write atomically, and its manifest follows."""
        if not data:
            remove_described(self.filepath)
            return
        with described_write(self.filepath, layer_path(self.filepath), self._source) as temporary:
            temporary.write_bytes(data)
