"""Datasets from the network: downloaded, checked, extracted and put in place as a whole.

`transfer` brings a file, `extraction` opens it, `fetch` does all. Where from is said by the dataset
itself, in its `download`.
"""

from vlprompt_pipeline.fetching.fetch import Fetched, fetch_dataset

__all__ = ["Fetched", "fetch_dataset"]
