"""The frozen CLIP as a catalog entry."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import torch
from kedro.io import AbstractDataset, DatasetError

from vlprompt_pipeline.arithmetic import Threads, resolve_precision
from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.clip.loading import check_clip, load_clip, resolve_device
from vlprompt_pipeline.filesystem.home import at_home
from vlprompt_pipeline.precision import PrecisionSetting


class ClipDataset(AbstractDataset[None, FrozenClip]):
    """Loads a CLIP from its source, once per process.

    ```yaml
    clip:
      type: vlprompt_pipeline.datasets.ClipDataset
      source: local-dir:data/01_raw/clip/ViT-B-16-openai
      name: vit_b16
      device: auto
      threads: auto
      precision: auto
      path: .
    ```

    A node computes with the CLIP in the thread that it is loaded in, and so with as many threads of
    PyTorch as the CLIP's size asks for, whichever runner runs it.

    `path` is where a relative `local-dir:` starts; Kedro makes it the project's folder, wherever a
    session was started.
    """

    def __init__(
        self,
        source: str,
        name: str,
        device: str = "auto",
        threads: Threads = "auto",
        precision: PrecisionSetting = "auto",
        path: str = ".",
        metadata: dict[str, Any] | None = None,
    ) -> None:
        kind, _, folder = source.partition(":")
        if kind == "local-dir" and folder:
            source = f"local-dir:{Path(path) / at_home(folder)}"
        self.source, self.name, self.device, self.metadata = source, name, device, metadata
        self.threads, self.precision = threads, precision

    def load(self) -> FrozenClip:
        """Return the frozen CLIP; see `load_clip` for what it refuses."""
        clip = load_clip(self.source, self.name, self.device, self.threads, self.precision)
        torch.set_num_threads(clip.threads)
        return clip

    def check(self, device: bool = True) -> None:
        """Refuse a source or device that is not there, or a precision it has not; loads nothing."""
        check_clip(self.source, self.device if device else "cpu")
        if device:
            resolve_precision(self.precision, resolve_device(self.device))

    def save(self, data: None) -> NoReturn:
        """Refuse: a frozen CLIP is never written."""
        raise DatasetError("the frozen CLIP is read-only")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"source": self.source, "name": self.name, "device": self.device}
