"""Datasets from the network: downloaded, checked, extracted and put in place as a whole.

`transfer` downloads a file, `extraction` unpacks it, `fetch` does everything. A dataset says in its
`download` where it comes from.
"""

from vlprompt_pipeline.fetching.fetch import Fetched, fetch_dataset

__all__ = ["Fetched", "fetch_dataset"]
