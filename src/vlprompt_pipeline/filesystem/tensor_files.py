"""Tensors in safetensors files, with everything else that belongs to them as JSON in the header.

The JSON stands under one key of the header: safetensors writes several keys in any order, and the
same content would have different bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save, save_file
from torch import Tensor

from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.filesystem.files import atomic_write


class TensorFileError(UserError):
    """A file of tensors is truncated, or something else."""


def save_tensors(path: Path, tensors: Mapping[str, Tensor], key: str, header: Any) -> None:
    """Write tensors and a header to a file, atomically.

    Args:
        path: the file.
        tensors: by name, on any device.
        key: name of the header in the file, which identifies the kind of file.
        header: plain values that JSON can hold.

    Raises:
        UserError: the file cannot be written.
    """
    with atomic_write(path) as temporary:
        save_file(_on_cpu(tensors), temporary, {key: json.dumps(header)})


def tensors_to_bytes(tensors: Mapping[str, Tensor], key: str, header: Any) -> bytes:
    """Return the content of the file that `save_tensors` writes."""
    return save(_on_cpu(tensors), {key: json.dumps(header)})


def load_tensors(path: Path, key: str) -> tuple[dict[str, Tensor], Any]:
    """Read tensors and header of a file that `save_tensors` wrote.

    Returns:
        The tensors by name, and the header; None where the file has no header under `key`.

    Raises:
        FileNotFoundError: there is no such file.
        TensorFileError: it cannot be read, is truncated, or is no safetensors file.
    """
    try:
        path.open("rb").close()  # safetensors would report an unreadable file as absent
        with safe_open(path, "pt") as stored:
            header = (stored.metadata() or {}).get(key, "null")
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        return tensors, json.loads(header)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise TensorFileError(f"{path} cannot be read ({error.strerror or error})") from None
    except (SafetensorError, ValueError) as error:
        raise TensorFileError(f"{path} is truncated or no file of tensors ({error})") from None


def _on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
