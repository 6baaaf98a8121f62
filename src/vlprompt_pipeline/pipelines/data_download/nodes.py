"""From a dataset's name to its folder under the dataset root."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vlprompt_pipeline.fetching import fetch_dataset
from vlprompt_pipeline.image_datasets.in_place import require_folder
from vlprompt_pipeline.progress import bar

logger = logging.getLogger(__name__)


def download_dataset(dataset: str, dataset_root: Path) -> dict[str, Any]:
    """Fetch a dataset unless it is there; log and return what was done."""
    require_folder(dataset_root, "data_download")
    fetched = fetch_dataset(dataset, dataset_root, progress=bar)
    logger.info(fetched.sentence)
    return asdict(fetched)
