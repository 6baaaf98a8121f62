"""CLIPs of the Hugging Face hub: judged by their configuration before any weights are fetched.

Files come through huggingface_hub's cache, so that they are fetched once and stay there. Pickles
are never asked for.
"""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import hf_hub_download
from huggingface_hub.errors import EntryNotFoundError, HFValidationError, HTTPError
from huggingface_hub.utils import validate_repo_id

from vlprompt_pipeline.clip.forms import (
    OPEN_CLIP_CONFIG,
    OPEN_CLIP_WEIGHTS,
    PROCESSOR_CONFIGS,
    TOKENIZER_FILE,
    TOKENIZER_FILES,
    TRANSFORMERS_CONFIG,
    TRANSFORMERS_WEIGHTS,
    ClipFiles,
    find_weights,
    read_json,
    read_open_clip_config,
    read_transformers_configs,
)
from vlprompt_pipeline.clip.pretrained import refuse_unsupported, tag_config
from vlprompt_pipeline.errors import WeightsError, reason_of


def fetch_tag(model: str, tag: str, *, weights: bool = True) -> ClipFiles:
    """Return files of a pretrained tag of open_clip, or all but the weights.

    Raises:
        ConfigError: no such model or tag.
        WeightsError: its kind cannot be adapted, or its files cannot be fetched.
    """
    model_cfg, preprocess_cfg = tag_config(model, tag)
    repository = preprocess_cfg["hf_hub"].rpartition("/")[0]
    model_name = f"{model}:{tag}"
    tokenizer = _fetch_tokenizer(repository, model_cfg["text_cfg"].get("hf_tokenizer_name"))
    files = _fetch_weights(repository, OPEN_CLIP_WEIGHTS, model_name) if weights else ()
    where = f"open_clip:{model_name}"
    return ClipFiles(model_cfg, preprocess_cfg, files, tokenizer, False, where)


def fetch_repository(name: str, *, weights: bool = True) -> ClipFiles:
    """Return files of a repository of the hub, in either form, or all but the weights.

    Raises:
        WeightsError: it holds neither, its kind cannot be adapted, or files cannot be fetched.
    """
    where = f"hf-hub:{name}"
    config = _fetch_if_there(name, OPEN_CLIP_CONFIG)
    if config is not None:
        described = read_open_clip_config(config)
        model_cfg = described["model_cfg"]
        refuse_unsupported(model_cfg, where)
        files = _fetch_weights(name, OPEN_CLIP_WEIGHTS, where) if weights else ()
        tokenizer = _fetch_tokenizer(name, model_cfg["text_cfg"].get("hf_tokenizer_name"))
        preprocess_cfg = described["preprocess_cfg"]
        return ClipFiles(model_cfg, preprocess_cfg, files, tokenizer, False, where)
    config = _fetch(name, TRANSFORMERS_CONFIG, where)
    for processor in PROCESSOR_CONFIGS:
        _fetch_if_there(name, processor)
    configs = read_transformers_configs(config.parent, where)
    files = _fetch_weights(name, TRANSFORMERS_WEIGHTS, where) if weights else ()
    tokenizer = _fetch_tokenizer(name, name)
    return ClipFiles(*configs, files, tokenizer, True, where)


def is_repository(name: str) -> bool:
    """Tell whether the hub can have a repository of this name, `<owner>/<name>`."""
    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return "/" in name


def _fetch_weights(repository: str, name: str, model_name: str) -> tuple[Path, ...]:
    whole = _fetch_if_there(repository, name)
    if whole is not None:
        return (whole,)
    index = _fetch_if_there(repository, f"{name}.index.json")
    if index is None:
        return (_fetch(repository, name, model_name),)  # says why it is not there
    for shard in sorted(set(read_json(index).get("weight_map", {}).values())):
        _fetch(repository, shard, model_name)
    return find_weights(index.parent, name)


def _fetch_tokenizer(repository: str, name: str | None) -> Path | None:
    """Find the folder of the tokenizer's files: beside the weights, else as it is named."""
    if not name:
        return None
    for source in dict.fromkeys((repository, name)):
        file = _fetch_if_there(source, TOKENIZER_FILE)
        if file is not None:
            for other in TOKENIZER_FILES:
                _fetch_if_there(source, other)
            return file.parent
    raise WeightsError(
        f"clip.source: neither {repository} nor {name} has a {TOKENIZER_FILE}; write one with "
        f"transformers' AutoTokenizer.from_pretrained({name!r}).save_pretrained(folder) and use "
        "local-dir:<folder>"
    )


def _fetch(repository: str, name: str, model_name: str) -> Path:
    """Return a file of a repository.

    Raises:
        WeightsError: it is not there, or the hub is out of reach.
    """
    try:
        return Path(hf_hub_download(repository, name))
    except (OSError, EntryNotFoundError, HTTPError) as error:
        raise WeightsError(
            f"clip.source: cannot fetch {name} of {model_name} from {repository} "
            f"({reason_of(error)}); where the repository has only a pickle (.bin, .pt), download "
            "that and run vlprompt convert-clip; with the files at hand use "
            f"local-dir:<folder with {OPEN_CLIP_CONFIG} and {OPEN_CLIP_WEIGHTS}>"
        ) from error


def _fetch_if_there(repository: str, name: str) -> Path | None:
    """Fetch a file; None where the repository, or without a network the cache, has none."""
    try:
        return Path(hf_hub_download(repository, name))
    except (OSError, EntryNotFoundError, HTTPError, HFValidationError):
        return None
