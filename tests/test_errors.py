"""What an error of a library says, in a sentence of ours."""

from __future__ import annotations

import pytest
from kedro.io import DatasetError

from vlprompt_pipeline.datasets import TextDataset
from vlprompt_pipeline.error_log import note_of_traceback
from vlprompt_pipeline.errors import reason_of


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("no number\nat line 3"), "no number"),
        (OSError(2, "not there"), "[Errno 2] not there"),
        (ValueError("\n a.\nb"), "a"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_the_first_line_or_the_kind(error, said):
    assert reason_of(error) == said


def test_a_traceback_with_a_name_that_is_no_text_is_kept(tmp_path):
    said = note_of_traceback(ValueError("no caf\udce9.jpg"), tmp_path)
    file = tmp_path / said.removeprefix("; the traceback is in ")
    assert file.read_text() == "ValueError: no caf\\udce9.jpg\n"


def test_a_file_whose_parser_says_nothing(tmp_path, monkeypatch):
    dataset = TextDataset(filepath=f"{tmp_path}/a.txt")
    dataset.save("a")

    def nothing(*_):
        raise MemoryError

    monkeypatch.setattr("kedro_datasets.text.TextDataset.load", nothing)
    with pytest.raises(DatasetError, match=r"a\.txt cannot be read \(MemoryError\); "):
        dataset.load()
