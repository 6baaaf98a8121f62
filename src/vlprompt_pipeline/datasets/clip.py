"""The frozen CLIP as a catalog entry."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.clip.loading import load_clip


class ClipDataset(AbstractDataset[None, FrozenClip]):
    """Loads a CLIP from its source, once per process.

    ```yaml
    clip:
      type: vlprompt_pipeline.datasets.ClipDataset
      source: local-dir:data/01_raw/clip/ViT-B-16-openai
      name: vit_b16
      device: auto
      path: .
    ```

    `path` is where a relative `local-dir:` starts; Kedro makes it the project's folder, wherever a
    session was started.
    """

    def __init__(
        self,
        source: str,
        name: str,
        device: str = "auto",
        path: str = ".",
        metadata: dict[str, Any] | None = None,
    ) -> None:
        kind, _, folder = source.partition(":")
        if kind == "local-dir" and folder:
            source = f"local-dir:{Path(path) / Path(folder).expanduser()}"
        self.source, self.name, self.device, self.metadata = source, name, device, metadata

    def load(self) -> FrozenClip:
        """The frozen CLIP; see `load_clip` for what it refuses."""
        return load_clip(self.source, self.name, self.device)

    def save(self, data: None) -> NoReturn:
        """A frozen CLIP is never written."""
        raise DatasetError("the frozen CLIP is read-only")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"source": self.source, "name": self.name, "device": self.device}
