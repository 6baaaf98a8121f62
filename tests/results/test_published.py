from __future__ import annotations

from importlib.resources import files

import pytest

from vlprompt_pipeline.protocols import PROTOCOLS
from vlprompt_pipeline.protocols.base import PUBLISHED_DATASETS
from vlprompt_pipeline.results.published import doubt_of_weights, published, published_protocol

BASE_TO_NEW = "base_to_new_16shot_vitb16"
CROSS_DATASET = "cross_dataset_16shot_imagenet_vitb16"
SHIFTS = "domain_generalization_16shot_imagenet_vitb16"
ALL_CLASSES = "zero_shot_all_classes_vitb16"


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


@pytest.mark.parametrize("dataset", sorted(PUBLISHED_DATASETS))
def test_every_dataset_has_zero_shot_figures(dataset):
    assert set(published(BASE_TO_NEW, "zero_shot", dataset)) == {"base", "new", "H"}
    assert set(published(ALL_CLASSES, "zero_shot", dataset)) == {"acc"}


@pytest.mark.parametrize(
    ("protocol", "clip", "dataset", "shots", "expected"),
    [
        ("base_to_new", "vit_b16", "dtd", 16, BASE_TO_NEW),
        ("base_to_new", "vit_b16", "dtd", 8, None),
        ("base_to_new", "demo", "dtd", 16, None),
        ("base_to_new_share_0.3", "vit_b16", "dtd", 16, None),
        ("few_shot", "vit_b16", "dtd", 4, ALL_CLASSES),
        ("cross_dataset", "vit_b16", "imagenet", 16, CROSS_DATASET),
        ("cross_dataset", "vit_b16", "dtd", 16, None),
        ("domain_generalisation", "vit_b16", "imagenet", 4, None),
    ],
)
def test_only_the_published_setting_is_compared(protocol, clip, dataset, shots, expected):
    assert published_protocol(protocol, clip, dataset, shots) == expected


@pytest.mark.parametrize(
    ("clip", "source", "doubted"),
    [
        ("vit_b16", "open_clip:ViT-B-16-quickgelu:openai", False),
        ("vit_b16", "local-dir:data/01_raw/clip/vit_base_patch16_clip_224.openai", False),
        ("vit_b16", "open_clip:ViT-B-16:laion2b_s34b_b88k", True),
        ("vit_b16_laion", "open_clip:ViT-B-16:laion2b_s34b_b88k", False),  # has no figures
    ],
)
def test_figures_of_other_weights_are_doubted(clip, source, doubted):
    assert bool(doubt_of_weights(clip, source)) == doubted


@pytest.mark.parametrize(
    ("protocol", "name", "methods"),
    [
        (CROSS_DATASET, "cross_dataset", ("zero_shot", "coop", "cocoop", "maple")),
        (SHIFTS, "domain_generalisation", ("zero_shot", "coop", "cocoop", "maple")),
        (ALL_CLASSES, "few_shot", ("zero_shot",)),
    ],
)
def test_the_published_averages_are_over_these_datasets(protocol, name, methods):
    """Of the rows that print all of them, to the rounding of a printed figure."""
    datasets = PROTOCOLS[name].published_average
    for method in methods:
        values = [published(protocol, method, dataset)["acc"][0] for dataset in datasets]
        average = published(protocol, method, "average")["acc"][0]
        assert sum(values) / len(values) == pytest.approx(average, abs=0.011)


@pytest.mark.parametrize(
    ("method", "protocol", "expected"),
    [
        ("gda", BASE_TO_NEW, {"base": 83.96, "new": 74.53, "H": 78.97}),
        ("prolip", BASE_TO_NEW, {"base": 84.01, "new": 73.86, "H": 78.61}),
        ("two_stage", BASE_TO_NEW, {"base": 85.55, "new": 75.48, "H": 80.20}),
        ("mma", BASE_TO_NEW, {"base": 83.20, "new": 76.80, "H": 79.87}),
        ("mma_plus_plus", BASE_TO_NEW, {"H": 82.07}),
        ("mmrl", BASE_TO_NEW, {"base": 85.68, "new": 77.16, "H": 81.20}),
        ("mma_plus_plus", CROSS_DATASET, {"acc": 69.66}),
        ("mmrl", CROSS_DATASET, {"acc": 67.25}),
        ("mma_plus_plus", SHIFTS, {"acc": 61.30}),
        ("clap", BASE_TO_NEW, {}),
    ],
)
def test_averages_of_the_newer_methods(method, protocol, expected):
    figures = published(protocol, method, "average")
    assert {metric: value for metric, (value, _) in figures.items()} == expected


@pytest.mark.parametrize("metric", ["base", "new"])
def test_the_average_of_gda_is_that_of_its_datasets(metric):
    values = [published(BASE_TO_NEW, "gda", dataset)[metric][0] for dataset in PUBLISHED_DATASETS]
    average = published(BASE_TO_NEW, "gda", "average")[metric][0]
    assert sum(values) / len(values) == pytest.approx(average, abs=0.011)


def test_the_packaged_file_begins_with_the_reference(shared):
    """What follows are the figures that the reference has in its text."""
    packaged = files("vlprompt_pipeline.results").joinpath("published_results.csv").read_bytes()
    reference = (shared / "reference" / "published_results.csv").read_bytes()
    assert packaged.startswith(reference)
