from __future__ import annotations

from importlib.resources import files

import pytest

from vlprompt_pipeline.results.published import (
    DATASETS,
    SHIFTED,
    TARGETS,
    published,
    published_protocol,
)

BASE_TO_NEW = "base_to_new_16shot_vitb16"
CROSS_DATASET = "cross_dataset_16shot_imagenet_vitb16"
SHIFTS = "domain_generalization_16shot_imagenet_vitb16"


def test_a_known_figure_with_its_source():
    figures = published(BASE_TO_NEW, "coop", "imagenet")
    assert {metric: value for metric, (value, _) in figures.items()} == {
        "base": 76.47,
        "new": 67.88,
        "H": 71.92,
    }
    assert all("OnPoKD" in source for _, source in figures.values())


def test_only_the_average_of_qcoop_was_printed():
    assert published(BASE_TO_NEW, "qcoop", "average")["H"][0] == 77.43
    assert published(BASE_TO_NEW, "qcoop", "caltech101") == {}


@pytest.mark.parametrize("dataset", sorted(DATASETS))
def test_every_dataset_has_zero_shot_figures(dataset):
    assert set(published(BASE_TO_NEW, "zero_shot", dataset)) == {"base", "new", "H"}
    assert set(published("zero_shot_all_classes_vitb16", "zero_shot", dataset)) == {"acc"}


@pytest.mark.parametrize(
    ("protocol", "clip", "dataset", "shots", "expected"),
    [
        ("base_to_new", "vit_b16", "dtd", 16, BASE_TO_NEW),
        ("base_to_new", "vit_b16", "dtd", 8, None),
        ("base_to_new", "demo", "dtd", 16, None),
        ("base_to_new_share_0.3", "vit_b16", "dtd", 16, None),
        ("few_shot", "vit_b16", "dtd", 4, "zero_shot_all_classes_vitb16"),
        ("cross_dataset", "vit_b16", "imagenet", 16, CROSS_DATASET),
        ("cross_dataset", "vit_b16", "dtd", 16, None),
        ("domain_generalisation", "vit_b16", "imagenet", 4, None),
    ],
)
def test_only_the_published_setting_is_compared(protocol, clip, dataset, shots, expected):
    assert published_protocol(protocol, clip, dataset, shots) == expected


@pytest.mark.parametrize(
    ("protocol", "targets"),
    [(CROSS_DATASET, TARGETS), (SHIFTS, SHIFTED)],
)
def test_the_published_averages_are_over_these_targets(protocol, targets):
    """Of the rows that print all targets, to the rounding of a printed figure."""
    for method in ("zero_shot", "coop", "cocoop", "maple"):
        values = [published(protocol, method, target)["acc"][0] for target in targets]
        average = published(protocol, method, "average")["acc"][0]
        assert sum(values) / len(values) == pytest.approx(average, abs=0.011)


def test_the_packaged_file_is_the_reference(shared):
    packaged = files("vlprompt_pipeline.results").joinpath("published_results.csv").read_bytes()
    assert packaged == (shared / "reference" / "published_results.csv").read_bytes()
