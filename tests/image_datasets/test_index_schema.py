from __future__ import annotations

import pandas as pd
import pytest

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.image_datasets import COLUMNS, validate_index


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "path": ["a/1.jpg", "b/1.jpg", "b/2.jpg"],
            "label": [0, 1, 1],
            "class_name": ["emu", "sea horse", "sea horse"],
            "part": ["train", "train", "test"],
            "fingerprint": ["sha256:00", "sha256:01", "stat:5-7:b/2.jpg"],
            "source": ["zoo", "zoo", "zoo"],
        }
    )


def test_good_table(table):
    validate_index(table, "index of zoo")
    assert tuple(table.columns) == COLUMNS


def test_parquet_keeps_it_valid(table, tmp_path):
    table.to_parquet(tmp_path / "index.parquet")
    again = pd.read_parquet(tmp_path / "index.parquet")
    validate_index(again, "index of zoo")
    pd.testing.assert_frame_equal(again, table)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("part", ["train", "train", "trial"], "has the part 'trial'; parts are train, val, test"),
        ("part", [None, "train", "val"], "has the part nan"),
        ("part", ["test", "train", "val"], "mixes its parts; order the rows train, val, test"),
        ("path", ["a/1.jpg", "b/1.jpg", "a/1.jpg"], r"lists a/1\.jpg more than once"),
        ("label", [0, 2, 2], "2 labels from 0 to 2 and no image of label 1;"),
        ("label", [0.0, 1.0, 1.0], "labels of type float64, not int64"),
        ("class_name", ["emu", "sea horse", "ibis"], "label 1 both 'sea horse' and 'ibis'"),
        ("fingerprint", ["sha256:00", "sha256:01", "md5:02"], "'md5:02', which starts with neithe"),
    ],
)
def test_wrong_column(table, column, values, message):
    table[column] = values
    with pytest.raises(DataError, match=f"index of zoo .*{message}"):
        validate_index(table, "index of zoo")


def test_all_paths_twice_are_counted(table):
    table["path"] = table["path"] + ""
    doubled = pd.concat([table, table]).sort_values("part", ascending=False, kind="stable")
    with pytest.raises(DataError, match="and so 2 other paths; keep one row an image"):
        validate_index(doubled, "index of zoo")


def test_absent_column(table):
    with pytest.raises(DataError, match="index of zoo has no column label, source; an index has"):
        validate_index(table.drop(columns=["label", "source"]), "index of zoo")
