"""What a folder with a CLIP holds: its configuration, its weights and its tokenizer.

Two forms are read: open_clip's (open_clip_config.json) and that of Hugging Face transformers
(config.json). Weights are safetensors, whole or sharded. A folder of the hub's cache
(`models--owner--name`) stands for the snapshot in it. Whatever else lies there is answered by a
sentence that says what to do.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlprompt_pipeline.clip.transformers_models import model_config
from vlprompt_pipeline.clip.transformers_processors import preprocess_config
from vlprompt_pipeline.errors import WeightsError

OPEN_CLIP_CONFIG, OPEN_CLIP_WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"
TRANSFORMERS_CONFIG, TRANSFORMERS_WEIGHTS = "config.json", "model.safetensors"
PROCESSOR_CONFIGS = ("preprocessor_config.json", "processor_config.json")
TOKENIZER_FILE, TOKENIZER_CONFIG = "tokenizer.json", "tokenizer_config.json"
SPECIAL_TOKENS = "special_tokens_map.json"
TOKENIZER_FILES = (TOKENIZER_FILE, TOKENIZER_CONFIG, SPECIAL_TOKENS)
PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl")
ADVICE = "download it again, or point clip.source at another folder"


@dataclass(frozen=True)
class ClipFiles:
    """The files of one CLIP.

    Attributes:
        model_cfg, preprocess_cfg: as in an open_clip_config.json.
        weights: safetensors files, several where they are sharded.
        tokenizer: the folder of a Hugging Face tokenizer's files; None for CLIP's own tokenizer.
        transformers: whether the tensors have the names that transformers gives them.
        where: what messages call it.
    """

    model_cfg: dict[str, Any]
    preprocess_cfg: dict[str, Any]
    weights: tuple[Path, ...]
    tokenizer: Path | None
    transformers: bool
    where: str


def read_folder(folder: Path) -> ClipFiles:
    """Return the CLIP in a folder.

    Raises:
        WeightsError: it is no folder, holds no CLIP, several, or one in a form that is not read.
    """
    folder = snapshot(_existing(folder))
    if (folder / OPEN_CLIP_CONFIG).is_file():
        config = read_open_clip_config(folder / OPEN_CLIP_CONFIG)
        tokenizer = folder if (folder / TOKENIZER_FILE).is_file() else None
        weights = find_weights(folder, OPEN_CLIP_WEIGHTS)
        return ClipFiles(
            config["model_cfg"], config["preprocess_cfg"], weights, tokenizer, False, str(folder)
        )
    if (folder / TRANSFORMERS_CONFIG).is_file():
        configs = read_transformers_configs(folder, str(folder))
        weights = find_weights(folder, TRANSFORMERS_WEIGHTS)
        return ClipFiles(*configs, weights, folder, True, str(folder))
    weights = _files(folder, ".safetensors") + _files(folder, *PICKLES)
    if weights:
        raise WeightsError(
            f"{folder} holds {weights[0].name}, but neither {OPEN_CLIP_CONFIG} nor "
            f"{TRANSFORMERS_CONFIG}, so that its architecture is not known; copy it there from the "
            f"model's repository, or say which it is: vlprompt convert-clip {weights[0]} <new "
            "folder> --model=ViT-B-16"
        )
    raise WeightsError(
        f"no {OPEN_CLIP_CONFIG} (open_clip) and no {TRANSFORMERS_CONFIG} (transformers) in "
        f"{folder}, which should hold one of them beside {OPEN_CLIP_WEIGHTS} or "
        f"{TRANSFORMERS_WEIGHTS}: {ADVICE}"
    )


def snapshot(folder: Path) -> Path:
    """Return the snapshot that a folder of the hub's cache stands for; any other folder is itself.

    Raises:
        WeightsError: it holds no snapshot, or several and no note of which is the newest, or it is
            the whole cache.
    """
    snapshots = folder / "snapshots"
    if not snapshots.is_dir():
        models = sorted(each.name for each in folder.glob("models--*") if each.is_dir())
        if models:
            raise WeightsError(
                f"{folder} is a cache of the hub with several models: give one of its folders, "
                f"such as {folder / models[0]}"
            )
        return folder
    main = folder / "refs" / "main"
    if main.is_file():
        newest = snapshots / main.read_text(encoding="utf-8").strip()
        if newest.is_dir():
            return newest
    present = sorted(each for each in snapshots.iterdir() if each.is_dir())
    if len(present) != 1:
        raise WeightsError(
            f"{folder} has {len(present)} snapshots and no refs/main that names one: give the "
            "folder of a snapshot"
        )
    return present[0]


def find_weights(folder: Path, name: str) -> tuple[Path, ...]:
    """Return weights of the usual `name`, whole or sharded, or those that are alone in the folder.

    Raises:
        WeightsError: none, several of other names, a missing shard, or pickles only.
    """
    index = folder / f"{name}.index.json"
    if (folder / name).is_file():
        return (folder / name,)
    if index.is_file():
        return _shards(index)
    present, indices = _files(folder, ".safetensors"), _files(folder, ".safetensors.index.json")
    if len(indices) == 1:
        return _shards(indices[0])
    if len(present) == 1:
        return (present[0],)
    if present:
        raise WeightsError(
            f"{folder} holds {', '.join(file.name for file in present)}: name the one that is the "
            f"whole CLIP {name}"
        )
    if pickles := _files(folder, *PICKLES):
        raise WeightsError(
            f"{folder} holds no {name}, only {pickles[0].name}: pickles can run code when opened; "
            f"convert it once with vlprompt convert-clip {pickles[0]} <new folder>"
        )
    raise WeightsError(f"no weights in {folder}, which should hold {name}: {ADVICE}")


def read_open_clip_config(path: Path) -> dict[str, Any]:
    """Return the content of an `open_clip_config.json`.

    Raises:
        WeightsError: absent, not JSON, or without `model_cfg`.
    """
    config = read_json(path)
    sections = {
        "model_cfg": config.get("model_cfg"),
        "preprocess_cfg": config.get("preprocess_cfg") or {},
    }
    for key, section in sections.items():
        if not isinstance(section, dict):
            raise WeightsError(f"{path} is not an open_clip configuration (no {key}): {ADVICE}")
    return sections


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file.

    Raises:
        WeightsError: absent, a Git LFS pointer, or no JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WeightsError(f"no {path.name} in {path.parent}: {ADVICE}") from None
    except ValueError as error:
        raise WeightsError(f"{path} is not JSON ({error}): {ADVICE}") from None
    if not isinstance(content, dict):
        raise WeightsError(f"{path} is not a JSON object: {ADVICE}")
    return content


def read_transformers_configs(folder: Path, where: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return `model_cfg` and `preprocess_cfg` of the model of transformers in a folder.

    Raises:
        WeightsError: a file is missing, or says what cannot be adapted; it names `where`.
    """
    model_cfg = model_config(read_json(folder / TRANSFORMERS_CONFIG), where)
    size = model_cfg["vision_cfg"]["image_size"]
    return model_cfg, preprocess_config(_read_processor_config(folder), size, where)


def _read_processor_config(folder: Path) -> dict[str, Any]:
    """Say how transformers prepares images for the model in a folder."""
    for name in PROCESSOR_CONFIGS:
        if (folder / name).is_file():
            config = read_json(folder / name)
            return config.get("image_processor") or config
    raise WeightsError(
        f"no {PROCESSOR_CONFIGS[0]} in {folder}: copy it from the model's repository"
    )


def _existing(folder: Path) -> Path:
    if os.path.isfile(folder):  # unlike Path.is_file, false where the path cannot be asked
        how = (
            f"vlprompt convert-clip {folder} <new folder>"
            if folder.suffix in PICKLES
            else f"local-dir:{folder.parent}"
        )
        raise WeightsError(f"clip.source: {folder} is a file; give its folder: {how}")
    if not os.path.isdir(folder):
        raise WeightsError(
            f"clip.source: no folder {folder}; it should hold {OPEN_CLIP_CONFIG} and "
            f"{OPEN_CLIP_WEIGHTS}, or {TRANSFORMERS_CONFIG} and {TRANSFORMERS_WEIGHTS}"
        )
    return folder


def _shards(index: Path) -> tuple[Path, ...]:
    names = read_json(index).get("weight_map")
    if not isinstance(names, dict) or not names:
        raise WeightsError(f"{index} names no shards: {ADVICE}")
    shards = tuple(index.parent / name for name in sorted(set(names.values())))
    missing = [shard.name for shard in shards if not shard.is_file()]
    if missing:
        raise WeightsError(f"{index.parent} lacks {missing[0]}, which {index.name} names: {ADVICE}")
    return shards


def _files(folder: Path, *endings: str) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.name.endswith(endings))
