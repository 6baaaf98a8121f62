"""Trained and packed prompts as catalog entries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from vlprompt_pipeline.errors import PromptFileError
from vlprompt_pipeline.files import atomic_write
from vlprompt_pipeline.prompts.trained import TrainedPrompt


class PromptDataset(AbstractDataset[TrainedPrompt, TrainedPrompt]):
    """A trained prompt in safetensors: masters, codebooks, recipe and provenance."""

    def __init__(self, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self.filepath, self.metadata = Path(filepath), metadata

    def load(self) -> TrainedPrompt:
        """Raises PromptFileError if the file is absent or broken."""
        return TrainedPrompt.load(self.filepath)

    def save(self, data: TrainedPrompt) -> None:
        """Written atomically."""
        data.save(self.filepath)

    def _exists(self) -> bool:
        return self.filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self.filepath)}


class PackedPromptDataset(AbstractDataset[bytes, bytes]):
    """A packed prompt, the bytes that ship; `export.unpack` reads them."""

    def __init__(self, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self.filepath, self.metadata = Path(filepath), metadata

    def load(self) -> bytes:
        """Raises PromptFileError if the file is absent."""
        if not self.filepath.is_file():
            raise PromptFileError(
                f"no packed prompt at {self.filepath}: run quantization_export first"
            )
        return self.filepath.read_bytes()

    def save(self, data: bytes) -> None:
        """Written atomically."""
        with atomic_write(self.filepath) as temporary:
            temporary.write_bytes(data)

    def _exists(self) -> bool:
        return self.filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self.filepath)}
