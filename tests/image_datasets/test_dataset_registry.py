from __future__ import annotations

from dataclasses import replace

import pytest

from fresh_python import printed
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.image_datasets import (
    IMAGE_DATASETS,
    build_index,
    get_image_dataset,
    register_dataset,
)
from vlprompt_pipeline.image_datasets.rendered import RENDERED


def test_every_name_leads_to_its_benchmark():
    assert {"caltech101", *RENDERED} <= set(IMAGE_DATASETS)
    for name in IMAGE_DATASETS:
        assert get_image_dataset(name).name == name


@pytest.mark.parametrize("dataset", IMAGE_DATASETS.values(), ids=IMAGE_DATASETS)
def test_entries_are_complete(dataset):
    assert dataset.template.count("{}") == 1
    assert dataset.classes > 1
    for text in (dataset.title, dataset.licence, dataset.citation, dataset.source):
        assert text.strip()
    assert dataset.shift_of is None or dataset.shift_of in IMAGE_DATASETS


@pytest.mark.parametrize("wrong", ["Caltech101", "caltech-101", "caltech_101"])
def test_unknown_name_suggests_a_close_one(wrong):
    with pytest.raises(
        ConfigError, match=f"dataset '{wrong}' is unknown; did you mean 'caltech101"
    ):
        get_image_dataset(wrong)


def test_unknown_name_lists_the_known(tmp_path):
    with pytest.raises(ConfigError) as caught:
        build_index("qqq", tmp_path)
    assert "'qqq' is unknown; known are" in str(caught.value)
    assert all(name in str(caught.value) for name in IMAGE_DATASETS)


def test_a_template_without_a_place_for_the_name_is_refused():
    """All classes would have one text."""
    with pytest.raises(ValueError, match="a template has {} once"):
        register_dataset(replace(IMAGE_DATASETS["dtd"], name="texts", template="a texture."))
    assert "texts" not in IMAGE_DATASETS


def test_import_is_light():
    """Listing datasets must not wait for a deep learning library."""
    code = "import sys, vlprompt_pipeline.image_datasets; print('torch' in sys.modules)"
    assert printed(code).strip() == "False"
