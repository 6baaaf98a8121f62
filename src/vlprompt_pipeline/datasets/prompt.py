"""Trained and packed prompts as catalog entries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from vlprompt_pipeline.errors import PromptFileError
from vlprompt_pipeline.files import atomic_write
from vlprompt_pipeline.methods.trained import TrainedPrompt


class PromptDataset(AbstractDataset[TrainedPrompt, TrainedPrompt]):
    """A trained prompt in safetensors: full-precision weights, codebooks, recipe and provenance."""

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


class _BytesDataset(AbstractDataset[bytes, bytes]):
    """Bytes that ship, as they are. No bytes are no file: what was there before goes."""

    what: str

    def __init__(self, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self.filepath, self.metadata = Path(filepath), metadata

    def load(self) -> bytes:
        """Raises PromptFileError if the file is absent."""
        if not self.filepath.is_file():
            raise PromptFileError(
                f"no {self.what} at {self.filepath}: run quantization_export first"
            )
        return self.filepath.read_bytes()

    def save(self, data: bytes) -> None:
        """Written atomically."""
        if not data:
            self.filepath.unlink(missing_ok=True)
            return
        with atomic_write(self.filepath) as temporary:
            temporary.write_bytes(data)

    def _exists(self) -> bool:
        return self.filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self.filepath)}


class PackedPromptDataset(_BytesDataset):
    """A packed prompt; `export.unpack` reads it."""

    what = "packed prompt"


class ClassifierWeightsDataset(_BytesDataset):
    """Zero-shot classifier weights; `export.ClassifierWeights.load` reads it."""

    what = "classifier weights"


class FullPrecisionDataset(_BytesDataset):
    """The unquantized tensors of a prompt in safetensors."""

    what = "full-precision weights (export.full_precision is false, or the prompt has no tensors)"
