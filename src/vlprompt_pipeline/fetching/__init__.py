"""Datasets from the network: downloaded, checked, extracted and put in place as a whole.

`transfer` brings a file, `extraction` opens it, `fetch` does all. Where from is said by the dataset
itself, in its `download`.
"""

from vlprompt_pipeline.fetching.extraction import extract_archive
from vlprompt_pipeline.fetching.fetch import Fetched, fetch_dataset
from vlprompt_pipeline.fetching.transfer import Patience, Remote, download

__all__ = [
    "Fetched",
    "Patience",
    "Remote",
    "download",
    "extract_archive",
    "fetch_dataset",
]
