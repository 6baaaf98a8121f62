"""Between a published folder and the Hugging Face hub: upload it, or fetch and verify it."""

from __future__ import annotations

import re
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download

from vlprompt_pipeline.errors import ConfigError, UserError, reason_of
from vlprompt_pipeline.publishing.layout import EXAMPLE, HUB, verify_files

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_FETCHED = (
    "*.json",
    "SHA256SUMS",
    "prompt.vlp",
    "classifier_weights.safetensors",
    "clip/*",
    "onnx/vision_model.onnx",
    "onnx/text_model.onnx",
)
"""What is used of a repository: no program, no page, and no pickle whatever its name."""


def require_repository(name: str) -> None:
    """Refuse what is no name of a repository.

    Raises:
        ConfigError: with the form of a name.
    """
    if not _REPOSITORY.fullmatch(name):
        raise ConfigError(f"{name!r} is no repository of the hub: write <owner>/<name>")


def fetch_published(address: str) -> Path:
    """Fetch `hf-hub:<owner>/<name>[@<revision>]`, or use what the hub's cache has; verify it.

    Returns:
        The folder, of one commit, each of whose files has the hash that the repository lists.

    Raises:
        ConfigError: the address is malformed.
        UserError: there is no such repository, the hub is out of reach, or a file was changed.
    """
    name, _, revision = address.removeprefix(HUB).partition("@")
    require_repository(name)
    try:
        folder = Path(
            snapshot_download(
                name,
                revision=revision or None,
                allow_patterns=list(_FETCHED),
                ignore_patterns=["*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt"],
            )
        )
    except Exception as error:  # the client passes on errors of its HTTP library, whichever it is
        raise UserError(
            f"cannot fetch {name} from the hub ({reason_of(error)}): see that it exists, is "
            "public or your login may read it, and that the network is there; a fetched model is "
            "used without a network"
        ) from error
    verify_files(folder)
    return folder


def upload(folder: Path, repository: str, private: bool = False) -> str:
    """Upload a folder as one commit; the repository is made where there is none.

    Files of an earlier version that this one does not have are removed there: they would be in no
    list of hashes. The login is that of `hf auth login` or HF_TOKEN.

    Returns:
        The address of the commit.

    Raises:
        UserError: the hub refuses or is out of reach.
    """
    require_repository(repository)
    verify_files(folder)
    api = HfApi()
    try:
        api.create_repo(repository, private=private, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repository,
            folder_path=folder,
            commit_message="Publish with vlprompt_pipeline",
            delete_patterns=[*_FETCHED, EXAMPLE],
        )
    except Exception as error:  # as above
        raise UserError(
            f"the hub did not take {repository} ({reason_of(error)}): log in with hf auth login "
            "or HF_TOKEN, and see that you may write there"
        ) from error
    return commit.commit_url
