"""Cross-dataset and domain generalisation: the prompts of one dataset on the images of others."""

from __future__ import annotations

import click
import pandas as pd
import pytest
import torch
from kedro.framework.session import KedroSession

from vlprompt_pipeline.clip import FeatureStore, load_clip
from vlprompt_pipeline.export.learner import load_learner
from vlprompt_pipeline.methods import ClassTexts
from vlprompt_pipeline.methods.trained import TrainedPrompt

CELL = "demo/miniature_caltech101/cross_dataset/shots4/seed1"
QUIET = {
    "device": "cpu",
    "tracking": {"enabled": False},
    "methods": ["zero_shot", "coop"],
    "cross_dataset": {"targets": ["oxford_pets", "dtd"]},
}


def run(project, *, report: bool = True, **params: object) -> None:
    """A run on miniatures of the published datasets."""
    project.bootstrap()
    with KedroSession.create(
        project.root, env="miniature", runtime_params={**QUIET, **params}
    ) as session:
        session.run(pipeline_names=None if report else ["cell"])


def test_targets_are_scored_with_the_prompt_of_the_source_among_their_own_classes(project):
    run(project, report=False, dataset="caltech101", protocol="cross_dataset")
    clip = load_clip("embedded", "demo", "cpu")
    prompt = TrainedPrompt.load(project.path("06_models", "coop/prompt.safetensors", CELL))
    packed = project.path("06_models", "coop/prompt.vlp", CELL).read_bytes()
    for target in ("oxford_pets", "dtd"):
        name = f"miniature_{target}"
        card = project.json("02_intermediate", f"{name}/dataset_card.json", "")
        index = pd.read_parquet(project.data / f"03_primary/{name}/image_index.parquet")
        labels = index.loc[index["part"] == "test", "label"].to_numpy()
        key = project.json("04_feature", f"demo/{name}/test_features.json", "")["key"]
        features = FeatureStore(project.data / "04_feature/store").load(key).of(clip)[:, 0]
        texts = ClassTexts(tuple(card["class_names"]), card["template"])
        with torch.no_grad():
            logits = load_learner(packed, prompt.resolved_recipe(), clip, texts).logits(features)
        right = int((logits.argmax(1).numpy() == labels).sum())
        found = project.json("07_model_output", f"coop/targets/{name}/metrics.json", CELL)
        assert (found["target"]["correct"], found["target"]["total"]) == (right, len(labels))
        folder = project.path("07_model_output", f"coop/targets/{name}", CELL)
        classes = pd.read_parquet(folder / "per_class.parquet")
        assert classes["class_name"].tolist() == card["class_names"]
        assert classes["correct"].sum() == right
        assert pd.read_parquet(folder / "confusion.parquet")["count"].sum() == len(labels)
    own = project.json("07_model_output", "coop/metrics.json", CELL)
    assert set(own) == {"base", "validation"}, "the source is scored on all of its classes"


def test_the_report_has_source_targets_and_their_average(project):
    run(project, dataset="caltech101", protocol="cross_dataset")
    table = project.report()
    for method in ("zero_shot", "coop"):
        scores = [
            project.json("07_model_output", f"{method}/targets/miniature_{name}/metrics.json", CELL)
            for name in ("oxford_pets", "dtd")
        ]
        accuracies = [score["target"]["accuracy"] for score in scores]
        row = table.loc[method]
        found = row[["on_miniature_oxford_pets_mean", "on_miniature_dtd_mean"]].tolist()
        assert found == pytest.approx(accuracies)
        assert row["on_average_mean"] == pytest.approx(sum(accuracies) / 2)
    page = (project.data / "08_reporting/report.html").read_text()
    assert '"miniature_dtd"' in page
    assert "Average of targets" in page
    assert "Without intervals and tests" not in page
    figures = {file.stem for file in (project.data / "08_reporting/figures").iterdir()}
    assert any(
        name.startswith("cross_dataset_miniature_caltech101") and name.endswith("_targets")
        for name in figures
    )


def test_other_targets_are_another_table(project):
    run(project, dataset="caltech101", protocol="cross_dataset")
    only = {"cross_dataset": {"targets": "dtd"}, "methods": ["qcoop"]}
    run(project, dataset="caltech101", protocol="cross_dataset", **only)
    page = (project.data / "08_reporting/report.html").read_text()
    assert "was run with different targets" in page


def test_what_is_bound_to_its_classes_has_no_score_on_targets(project):
    only = {"cross_dataset": {"targets": "dtd"}, "methods": ["zero_shot", "tip_adapter"]}
    run(project, dataset="caltech101", protocol="cross_dataset", **only)
    row = project.report().loc["tip_adapter"]
    classes = project.path(
        "07_model_output", "tip_adapter/targets/miniature_dtd/per_class.parquet", CELL
    )
    assert len(pd.read_parquet(classes)) == 0
    assert row[["on_miniature_dtd_mean", "on_average_mean"]].isna().all()
    assert row["base_mean"] > 0
    page = (project.data / "08_reporting/report.html").read_text()
    assert "without accuracy on new ones: Tip-Adapter." in page


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"dataset": "dtd", "protocol": "domain_generalisation"},
            "dtd has no shifted variants; train on imagenet, or name targets",
        ),
        (
            {
                "dataset": "imagenet",
                "protocol": "domain_generalisation",
                "domain_generalisation": {"targets": "imagenet_a+dtd"},
            },
            "dtd is no shifted variant of imagenet; those are imagenet_v2, imagenet_sketch",
        ),
        (
            {
                "protocol": "cross_dataset",
                "dataset": "dtd",
                "cross_dataset": {"targets": "dtd"},
            },
            "cross_dataset.targets: no dataset besides dtd; name others",
        ),
        (
            {
                "protocol": "cross_dataset",
                "dataset": "dtd",
                "cross_dataset": {"targets": "nets"},
            },
            "nets",
        ),
    ],
)
def test_targets_that_make_no_sense_are_refused_before_anything_is_read(project, params, message):
    with pytest.raises(click.ClickException, match=message):
        run(project, **params)
    assert not (project.data / "02_intermediate").exists()
