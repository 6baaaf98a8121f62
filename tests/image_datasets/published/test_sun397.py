from __future__ import annotations

import pytest

from image_datasets.miniatures import write_miniature
from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.image_datasets import build_index


@pytest.fixture
def sun(tmp_path):
    """With the official list, whose paths start with a slash and whose order is another one."""
    dataset = write_miniature(tmp_path, "sun397")
    lines = sorted((f"/{path}" for path, _, _ in dataset.miniature.rows()["test"]), reverse=True)
    (tmp_path / "sun397" / "Testing_01.txt").write_text("\n".join(lines) + "\n")
    return dataset


def test_the_official_test_part(sun, tmp_path):
    build_index(sun, tmp_path)


def test_another_test_part(sun, tmp_path):
    file = tmp_path / "sun397" / "Testing_01.txt"
    lines = file.read_text().splitlines()
    file.write_text("\n".join(["/a/abbey/sun_other.jpg", *lines[1:]]))
    with pytest.raises(
        DataError,
        match=r"the test part of split file .*_SUN397\.json is not that of .*Testing_01\.txt: 2 im"
        r"ages are in one of them only, the first is a/abbey/sun_other\.jpg; get the official",
    ):
        build_index(sun, tmp_path)
