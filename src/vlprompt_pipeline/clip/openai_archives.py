"""OpenAI's archives (ViT-B-16.pt and its siblings), read without running anything in them.

They are TorchScript: zip files with code, a pickle that says how tensors are put together, and the
tensors' bytes. `torch.jit.load` would run that code. Here the pickle is read by an unpickler that
knows how to make tensors and nothing else; every other name in it becomes an empty object.
"""

from __future__ import annotations

import pickle  # noqa: TID251 -- the one explicit conversion of a pickle, restricted below
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vlprompt_pipeline.errors import WeightsError

PUBLISHED = {
    "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762": "RN50",
    "8fa8567bab74a42d41c5915025a8e4538c3bdbe8804a470a72f30b0d94fab599": "RN101",
    "7e526bd135e493cef0776de27d5f42653e6b4c8bf9e0f653bb11773263205fdd": "RN50x4",
    "52378b407f34354e150460fe41077663dd5b39c54cd0bfd2b27167a4a06ec9aa": "RN50x16",
    "be1cfb55d75a9666199fb2206c106743da0f6468c9d327f3e0d0a543a9919d9c": "RN50x64",
    "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af": "ViT-B-32",
    "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f": "ViT-B-16",
    "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836": "ViT-L-14",
    "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02": "ViT-L-14-336",
}
"""SHA-256 of the archives as openai/CLIP publishes them (clip/clip.py), and open_clip's names."""

_STORAGES = {
    "HalfStorage": torch.float16,
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "BFloat16Storage": torch.bfloat16,
}
# what the archives keep among the weights: numbers, and the causal mask in every block
_NO_WEIGHTS = {"input_resolution", "context_length", "vocab_size", "attn_mask"}


def is_torchscript(path: Path) -> bool:
    """Tell whether a file is a TorchScript archive: a zip file with code beside its tensors."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except Exception:  # no zip file, or a damaged one, which raises any kind
        return False


def read_torchscript(path: Path) -> dict[str, Tensor]:
    """Return all tensors of a TorchScript archive, by their names.

    Raises:
        WeightsError: the archive is damaged, or its pickle asks for more than tensors.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            root = next(n for n in archive.namelist() if n.endswith("/data.pkl"))
            with archive.open(root) as stream:
                module = _TensorUnpickler(stream, archive, root.removesuffix("data.pkl")).load()
    except (zipfile.BadZipFile, StopIteration, KeyError, EOFError, RuntimeError) as error:
        raise WeightsError(f"{path} is a damaged archive ({error}): download it again") from error
    except (pickle.UnpicklingError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise WeightsError(f"{path} holds more than tensors and is not read ({error})") from error
    return {n: t for n, t in _named(module, "") if n.rpartition(".")[2] not in _NO_WEIGHTS}


class _Module:
    """What stands for every object of the archive that is no tensor."""

    def __setstate__(self, state: Any) -> None:
        self.state = state if isinstance(state, dict) else {}


class _TensorUnpickler(pickle.Unpickler):
    """Makes tensors and empty objects; no other name of the pickle is looked up."""

    def __init__(self, stream: Any, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(stream)
        self._archive, self._root = archive, root
        self._storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Return the few callables that a state of tensors needs."""
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return lambda tensor, requires_grad, hooks: tensor
        if (module, name) == ("collections", "OrderedDict"):
            return dict
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        if module.startswith("__torch__"):
            return _Module
        if module == "torch.jit._pickle":  # typed lists of plain values
            return lambda values: values
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")

    def persistent_load(self, pid: Any) -> Tensor:
        """Return the numbers of a tensor: `("storage", type, key, device, count)`."""
        kind, dtype, key, _, count = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            raise pickle.UnpicklingError(f"it asks for {kind}")
        if key not in self._storages:
            data = bytearray(self._archive.read(f"{self._root}data/{key}"))
            values = torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
            if len(values) != count:
                raise pickle.UnpicklingError(f"{len(values)} values stand where {count} should")
            self._storages[key] = values
        return self._storages[key]


def _rebuild(values: Tensor, offset: int, size: tuple, stride: tuple, *_: Any) -> Tensor:
    return torch.as_strided(values, size, stride, offset)


def _named(module: Any, prefix: str) -> list[tuple[str, Tensor]]:
    tensors: list[tuple[str, Tensor]] = []
    for name, value in getattr(module, "state", {}).items():
        if isinstance(value, Tensor):
            tensors.append((f"{prefix}{name}", value.contiguous()))
        elif isinstance(value, _Module):
            tensors += _named(value, f"{prefix}{name}.")
    return tensors
