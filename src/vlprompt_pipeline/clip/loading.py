"""From a source string to a frozen CLIP."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import torch

from vlprompt_pipeline.arithmetic import Threads, resolve_precision
from vlprompt_pipeline.clip.architecture import build
from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.clip.forms import PICKLES, ClipFiles, read_folder
from vlprompt_pipeline.clip.hub import fetch_repository, fetch_tag, is_repository
from vlprompt_pipeline.clip.identity import ClipIdentity
from vlprompt_pipeline.clip.lazy_libraries import open_clip
from vlprompt_pipeline.clip.preprocessing import Preprocessing
from vlprompt_pipeline.clip.pretrained import activation_sibling, refuse_unsupported, tag_config
from vlprompt_pipeline.clip.tokenizers import Tokenizer, tokenizer_of
from vlprompt_pipeline.clip.weights import (
    check_activation,
    check_weights,
    expand_token_rows,
    files_sha256,
    load_into,
    read_state,
)
from vlprompt_pipeline.errors import ConfigError, WeightsError
from vlprompt_pipeline.filesystem.home import at_home
from vlprompt_pipeline.precision import Precision, PrecisionSetting

_LOADING = threading.Lock()
EMBEDDED = Path(__file__).parent / "embedded"
_ALLOWED = "embedded, local-dir:<folder>, open_clip:<model>:<tag>, hf-hub:<owner>/<name>"


_RIGHT_ON_MPS = "2.13"
"""Before, attention to transposed keys and with broadcast masks is wrong there, without an error
(pytorch/pytorch 181133 and 184180)."""


def load_clip(
    source: str,
    name: str = "clip",
    device: str = "auto",
    threads: Threads = "auto",
    precision: PrecisionSetting = "auto",
) -> FrozenClip:
    """Load a frozen CLIP, once per process and device.

    Args:
        source: `embedded`; `local-dir:<folder>`, in the form of open_clip or of transformers;
            `open_clip:<model>:<tag>` or `hf-hub:<owner>/<name>`, which ask the hub.
        name: what paths and tables call it.
        device: `auto` (cuda, mps or cpu, the first that there is) or one of them.
        threads: that PyTorch computes with on a CPU; `auto` goes by the size of the towers.
        precision: of the frozen towers where they make features and train; see
            `resolve_precision`.

    Raises:
        ConfigError: the source or the device does not exist, or does not compute so.
        WeightsError: the kind of model cannot be adapted, or the weights are absent, broken,
            unsafe, not those of the configuration, or may not be read.
    """
    with _LOADING, _readable(source):  # two threads that ask for the same at once get the same
        device = resolve_device(device)
        return _load(source, name, device, threads, resolve_precision(precision, device))


def resolve_device(device: str) -> str:
    """Return the device that `auto` means here, or the one asked for.

    Raises:
        ConfigError: the device asked for is not on this machine, or PyTorch computes wrongly there.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    wrong_on_mps = torch.__version__ < _RIGHT_ON_MPS
    if device == "auto":
        present["mps"] = present["mps"] and not wrong_on_mps
        return next((kind for kind, here in present.items() if here), "cpu")
    if not present.get(device, device == "cpu"):
        raise ConfigError(f"device: no {device} on this machine; use auto or cpu")
    if device == "mps" and wrong_on_mps:
        raise ConfigError(
            f"device: PyTorch {torch.__version__} computes some attention wrongly on mps; install "
            f"{_RIGHT_ON_MPS} or newer, or use auto or cpu"
        )
    return device


def check_clip(source: str, device: str) -> None:
    """Refuse what `load_clip` would refuse, as far as that is known without loading or fetching.

    Raises:
        ConfigError, WeightsError: as `load_clip`.
    """
    resolve_device(device)
    kind, rest = _kind(source)
    if kind == "local-dir":
        with _readable(source):
            for file in locate(source).weights:
                check_weights(file)
    elif kind == "open_clip":
        tag_config(*rest.split(":"))


@contextmanager
def _readable(source: str) -> Iterator[None]:
    """Raise WeightsError that names the file of a source that the system does not let us read."""
    try:
        yield
    except OSError as error:
        file, reason = error.filename or source, error.strerror or error
        raise WeightsError(f"clip.source: cannot read {file} ({reason})") from error


def load_tokenizer(source: str) -> Tokenizer:
    """Load the tokenizer of a CLIP, without its weights.

    Raises:
        ConfigError, WeightsError: as `load_clip`.
    """
    with _readable(source):
        files = locate(source, weights=False)
        return tokenizer_of(files.model_cfg["text_cfg"], files.tokenizer, files.where)


def locate(source: str, *, weights: bool = True) -> ClipFiles:
    """Return the files that a source names, fetched where they are not at hand.

    Without `weights` those are not fetched, and not listed unless the source is a folder.

    Raises:
        ConfigError, WeightsError: as `load_clip`.
    """
    kind, rest = _kind(source)
    if kind == "open_clip":
        return fetch_tag(*rest.split(":"), weights=weights)
    if kind == "hf-hub":
        return fetch_repository(rest, weights=weights)
    if kind == "embedded":
        return read_folder(EMBEDDED)
    files = read_folder(at_home(rest))
    refuse_unsupported(files.model_cfg, files.where)
    return files


def _kind(source: str) -> tuple[str, str]:
    """Return the kind of a source and what it names."""
    kind, _, rest = source.partition(":")
    checks = {
        "embedded": source == "embedded",
        "local-dir": bool(rest),
        "open_clip": rest.count(":") == 1,
        "hf-hub": is_repository(rest),
    }
    if checks.get(kind):
        return kind, rest
    hint = _suggestion(source)
    raise ConfigError(
        f"clip.source: unknown source {source!r}; allowed: {_ALLOWED}"
        + (f"; did you mean {hint}?" if hint else "")
    )


@lru_cache(maxsize=2)
def _load(
    source: str, name: str, device: str, threads: Threads, precision: Precision
) -> FrozenClip:
    files = locate(source)
    model_cfg, text_cfg = files.model_cfg, files.model_cfg["text_cfg"]
    tokenizer = tokenizer_of(text_cfg, files.tokenizer, files.where)
    _check_end(tokenizer, text_cfg, files.where)
    state = read_state(files)
    check_activation(model_cfg, state, files.where)
    seen = expand_token_rows(state, text_cfg.get("vocab_size", 49408))
    model = build(model_cfg, files.where)
    load_into(model, state, files.where)
    preprocessing = Preprocessing.of_open_clip(
        files.preprocess_cfg, model.visual.image_size, files.where
    )
    identity = ClipIdentity.of(
        files_sha256(files.weights), model_cfg, preprocessing, tokenizer.identity
    )
    # Moved first: towers hold buffers of the model, which are others after a move.
    return FrozenClip(
        model.to(device), tokenizer, preprocessing, name, identity, seen, source, threads, precision
    )


def _check_end(tokenizer: Tokenizer, text_cfg: dict, where: str) -> None:
    """Refuse a tokenizer that ends texts with another token than the text tower is read at."""
    pool_type = text_cfg.get("pool_type", "argmax")
    read_at = {"argmax": text_cfg.get("vocab_size", 49408) - 1, "eos": text_cfg.get("eos_id", 2)}
    if pool_type in read_at and tokenizer.end != read_at[pool_type]:
        raise WeightsError(
            f"{where}: the text tower is read at token {read_at[pool_type]}, but the tokenizer "
            f"ends texts with {tokenizer.end}; put the model's tokenizer files beside the weights"
        )


def _suggestion(source: str) -> str | None:
    """Return the source that the user may have meant: a path, or a name of open_clip or the hub."""
    path = os.path.expanduser(source)
    if os.path.isdir(path):
        return f"local-dir:{source}"
    if os.path.isfile(path):
        convert = f"local-dir:<new folder> after vlprompt convert-clip {source} <new folder>"
        return convert if path.endswith(PICKLES) else f"local-dir:{Path(path).parent}"
    model, _, tag = source.removeprefix("open_clip:").replace("/", "-").partition(":")
    if open_clip.get_model_config(model) is not None:
        tags = open_clip.list_pretrained_tags_by_model(model)
        tag = tag or (tags or ["<tag>"])[0]
        return f"open_clip:{activation_sibling(model, tag) or f'{model}:{tag}'}"
    return f"hf-hub:{source}" if is_repository(source) else None
