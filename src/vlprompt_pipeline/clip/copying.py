"""Copy the files of a CLIP into a folder of the form of open_clip."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from vlprompt_pipeline.clip.forms import (
    OPEN_CLIP_CONFIG,
    OPEN_CLIP_WEIGHTS,
    TOKENIZER_FILES,
    read_folder,
)
from vlprompt_pipeline.clip.loading import locate
from vlprompt_pipeline.clip.weights import expand_token_rows, read_state
from vlprompt_pipeline.filesystem.files import atomic_write


def copy_clip(source: str, folder: Path) -> None:
    """Write what `source` names into `folder`, which is then its own `local-dir:` source.

    Raises:
        ConfigError, WeightsError: as `load_clip`.
    """
    files = locate(source)
    config = {"model_cfg": files.model_cfg, "preprocess_cfg": files.preprocess_cfg}
    as_they_are = len(files.weights) == 1 and not files.transformers
    weights = files.weights[0] if as_they_are else read_state(files)
    write_clip(config, weights, files.tokenizer, folder)


def write_clip(
    config: dict[str, Any],
    weights: Path | dict[str, Tensor],
    tokenizer: Path | None,
    folder: Path,
) -> None:
    """Write a CLIP of the form of open_clip, its configuration last, without which it is none.

    Args:
        config: content of its open_clip_config.json.
        weights: the file to copy, or its tensors.
        tokenizer: a folder that may hold files of a Hugging Face tokenizer.
        folder: to write into.

    Raises:
        UserError: a file cannot be written.
    """
    if isinstance(weights, Path):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(weights, folder / OPEN_CLIP_WEIGHTS)
    else:
        _write_weights(weights, folder)
    for name in TOKENIZER_FILES:
        if tokenizer is not None and (tokenizer / name).is_file():
            with atomic_write(folder / name) as temporary:  # which may be where it lies already
                shutil.copyfile(tokenizer / name, temporary)
    with atomic_write(folder / OPEN_CLIP_CONFIG) as temporary:
        temporary.write_text(json.dumps(config, indent=1), encoding="utf-8")


def write_for_open_clip(source: str, folder: Path) -> None:
    """Write what `source` names as open_clip itself loads it, with the whole table of tokens.

    The file has another hash than that of the source where the source leaves out rows of the table.

    Raises:
        ConfigError, WeightsError: as `load_clip`.
    """
    copy_clip(source, folder)
    copied = read_folder(folder)
    state = read_state(copied)
    expand_token_rows(state, copied.model_cfg["text_cfg"].get("vocab_size", 49408))
    _write_weights(state, folder)


def _write_weights(state: dict[str, Tensor], folder: Path) -> None:
    with atomic_write(folder / OPEN_CLIP_WEIGHTS) as temporary:
        save_file(state, temporary)
