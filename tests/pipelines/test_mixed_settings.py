"""Seeds that were made with other settings are rows of their own, named by what differs."""

from __future__ import annotations

import json

from image_datasets.own_data.photos import write_classes
from pipelines.project import CELL, Project, merged
from vlprompt_pipeline.filesystem.manifests import manifest_path

COOP = {"methods": ["coop"], "recipes": {"coop": {"training": {"epochs": 1}}}}


def test_seeds_made_with_other_settings_are_not_averaged(project: Project):
    project.run(COOP)
    other = {"recipes": {"coop": {"training": {"epochs": 2}}}}
    project.run(merged(COOP, {"seed": 2, **other}), report=True)
    titles = list(project.report()["title"])  # a row each
    assert len(titles) == 2
    assert [title for title in titles if "training.epochs=2" in title], titles


def test_more_bits_for_one_seed_are_not_averaged_with_one_bit(project: Project):
    """The example of the documentation: the title says 1 bit, and the row of the other 2 bits."""
    quick = merged(COOP, {"methods": ["qcoop"]})
    project.run(quick)
    project.run(
        merged(quick, {"seed": 2, "recipes": {"qcoop": {"quantize": {"bits": 2}}}}), report=True
    )
    titles = list(project.report()["title"])
    assert len(titles) == 2
    assert [title for title in titles if "quantize.bits=2" in title], titles


def test_seeds_of_different_precision_are_not_averaged(project: Project):
    zero_shot = {"methods": ["zero_shot"], "device": "cpu"}
    project.run(zero_shot)
    project.run({**zero_shot, "seed": 2, "precision": "bf16"}, report=True)
    titles = list(project.report()["title"])
    assert [title for title in titles if title.endswith("(precision=bf16)")], titles


def test_training_refuses_features_of_other_settings(project: Project):
    project.run(COOP)
    before = project.files()
    for changed, seed in (
        ({"features": {"views": 3}}, 1),
        ({"features": {"decoding": "as_seen"}}, 1),
        ({"features": {"train": "online"}}, 1),
        ({"threads": 2}, 1),
        ({"side_by_side": {"seeds": [1, 2]}}, 2),
    ):
        told = project.refusal(merged(COOP, changed), stages=("prompt_training",))
        assert told.startswith(f"the few-shot features of demo_counts, seed {seed}, were"), changed
    assert project.files() == before


def test_other_pictures_under_the_same_names_are_not_averaged(project: Project):
    folder = project.data / "01_raw/colours"
    zero_shot = {"dataset": "colours", "protocol": "few_shot", "methods": ["zero_shot"]}
    write_classes(folder, blue=10, red=10)
    project.run(zero_shot)
    blues, reds = (sorted((folder / name).iterdir()) for name in ("blue", "red"))
    for blue, red in zip(blues, reds, strict=True):
        content = blue.read_bytes()
        blue.write_bytes(red.read_bytes())
        red.write_bytes(content)
    project.run({**zero_shot, "seed": 2}, report=True)
    report = project.report()
    assert len(report) == 2
    assert (report["base_std"].isna() | (report["base_std"] == 0)).all(), "no spread over seeds"


def test_a_record_of_before_is_a_row_called_code_unknown(project: Project):
    zero_shot = {"methods": ["zero_shot"]}
    project.run(zero_shot)
    project.run({**zero_shot, "seed": 2})
    (path,) = (project.data / "08_reporting/records" / CELL.replace("seed1", "seed2")).glob(
        "*.json"
    )
    record = json.loads(path.read_text())
    for method in record["methods"]:
        del method["made_with"]
    path.write_text(json.dumps(record))
    manifest_path(path).unlink()
    project.run(zero_shot, report=True)
    titles = list(project.report()["title"])
    assert len(titles) == 2
    assert [title for title in titles if "code unknown" in title], titles
