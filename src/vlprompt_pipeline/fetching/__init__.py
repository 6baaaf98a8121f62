"""Datasets from the network: downloaded, checked, unpacked and put in place as a whole.

`recipes` says where from, `transfer` brings a file, `unpacking` opens it, `fetch` does all.
"""

from vlprompt_pipeline.fetching.checksum import Checksum
from vlprompt_pipeline.fetching.fetch import Fetched, fetch_dataset
from vlprompt_pipeline.fetching.recipe import Part, Recipe, Source
from vlprompt_pipeline.fetching.recipes import RECIPES
from vlprompt_pipeline.fetching.transfer import Patience, Remote, download
from vlprompt_pipeline.fetching.unpacking import unpack

__all__ = [
    "RECIPES",
    "Checksum",
    "Fetched",
    "Part",
    "Patience",
    "Recipe",
    "Remote",
    "Source",
    "download",
    "fetch_dataset",
    "unpack",
]
