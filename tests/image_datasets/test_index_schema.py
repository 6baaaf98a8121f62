from __future__ import annotations

import pandas as pd
import pytest

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.image_datasets.schema import validate_rows


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "path": ["a/1.jpg", "b/1.jpg", "b/2.jpg"],
            "label": [0, 1, 1],
            "class_name": ["emu", "sea horse", "sea horse"],
            "part": ["train", "train", "test"],
        }
    )


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("path", ["a/1.jpg", "b/1.jpg", "a/1.jpg"], r"lists a/1\.jpg more than once"),
        ("label", [0, 2, 2], "2 labels from 0 to 2 and no image of label 1;"),
        ("class_name", ["emu", "sea horse", "ibis"], "label 1 both 'sea horse' and 'ibis'"),
    ],
)
def test_wrong_column(table, column, values, message):
    validate_rows(table, "split of zoo")
    table[column] = values
    with pytest.raises(DataError, match=f"split of zoo .*{message}"):
        validate_rows(table, "split of zoo")


def test_all_paths_twice_are_counted(table):
    with pytest.raises(DataError, match="and so 2 other paths; keep one row an image"):
        validate_rows(pd.concat([table, table]), "split of zoo")
