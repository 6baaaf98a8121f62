"""Files of results are UTF-8 in any locale."""

from __future__ import annotations

from fresh_python import printed

SAVED = """
import sys, warnings
import pandas as pd
from vlprompt_pipeline.datasets import CSVDataset, TextDataset

warnings.simplefilter("error", EncodingWarning)  # one that the locale decides
for dataset, content in (
    (TextDataset(filepath="a.txt"), "H ↑"),
    (CSVDataset(filepath="a.csv", save_args={"index": False}), pd.DataFrame({"class": ["żółw"]})),
):
    dataset.save(content)
    dataset.load()
"""


def test_what_is_saved_is_utf_8_whatever_the_locale(tmp_path):
    printed(SAVED, cwd=tmp_path, PYTHONWARNDEFAULTENCODING="1")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "H ↑"
    assert (tmp_path / "a.csv").read_text(encoding="utf-8") == "class\nżółw\n"
