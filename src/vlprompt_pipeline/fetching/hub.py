"""Files of the Hugging Face hub: their address, and the size and SHA-256 that it publishes."""

from __future__ import annotations

import re

from huggingface_hub import get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import EntryNotFoundError, HTTPError

from vlprompt_pipeline.errors import FetchError, reason_of
from vlprompt_pipeline.fetching.transfer import Remote
from vlprompt_pipeline.image_datasets import Checksum


def hub_file(repository: str, name: str) -> Remote:
    """Ask the hub (or what HF_ENDPOINT names) for a file of a repository.

    Only the address and the checksum come from huggingface_hub, because it starts an interrupted
    download from the beginning in the next process. The tag of a large file is its SHA-256.

    Raises:
        FetchError: the hub is out of reach or has no such file.
    """
    url = hf_hub_url(repository, name)
    try:
        metadata = get_hf_file_metadata(url)
    except (OSError, EntryNotFoundError, HTTPError) as error:
        raise FetchError(
            f"the hub did not give {name} of {repository} ({reason_of(error)})"
        ) from error
    is_sha256 = re.fullmatch(r"[0-9a-f]{64}", metadata.etag or "")
    return Remote(url, Checksum("sha256", metadata.etag) if is_sha256 else None, metadata.size)
