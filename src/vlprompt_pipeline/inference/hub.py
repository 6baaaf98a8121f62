"""A model that was published on the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError

from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.inference.models import HUB

_FILES = ("*.json", "SHA256SUMS", "prompt.vlp", "onnx/vision_model.onnx", "onnx/text_model.onnx")
"""What is used of a repository; the other graphs and the page stay where they are."""


def fetch_model(address: str) -> Path:
    """Fetch `hf-hub:<owner>/<name>`, or use what the hub's cache has of it; return its folder.

    A revision may follow: `hf-hub:<owner>/<name>@<revision>`.

    Raises:
        UserError: there is no such repository, or the hub is out of reach.
    """
    name, _, revision = address.removeprefix(HUB).partition("@")
    try:
        folder = snapshot_download(name, revision=revision or None, allow_patterns=list(_FILES))
    except (OSError, ValueError, HFValidationError, HfHubHTTPError) as error:
        raise UserError(
            f"the hub did not give {name} ({str(error).strip().splitlines()[0]}): see that the "
            "name is <owner>/<name> and the hub can be reached, or name a folder"
        ) from error
    return Path(folder)
