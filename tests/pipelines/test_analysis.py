"""`kedro run --pipelines=analysis`, on a few pictures and a few settings."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from PIL import Image

from pipelines.project import CELL, Project

STAGES = ("analysis",)
FEW = {
    "analysis": {
        "seeds": 2,
        "storage": "zero_shot+coop+kgcoop",
        "noise": "0.01",
        "bits": "1+2",
        "quantizers": "kmeans+uniform",
        "heads": "gda+clap",
        "head_bits": "1",
        "histogram_every": 2,
    }
}
TABLES = {
    "storage": 5,  # recipes, and the host at every number of bits
    "noise": 2 * 4,  # strengths, moments
    "histograms": 2 * 64,
    "divergence": 3,
    "quantization": 3 * 4,
    "quantizers": 2 * 2 * 2,
    "spectrum": 2 * 4,
    "ablation": 5,
    "heads": 2 + 2 + 3,  # GDA after training or in full by half; CLAP in three ways on base alone
}


@pytest.fixture
def analysed(project) -> Project:
    """A project in which the analysis is the first thing run."""
    project.run(FEW, stages=STAGES)
    return project


def test_tables_figures_and_page(analysed, capsys):
    folder = analysed.data / "08_reporting/analysis" / CELL
    for name, rows in TABLES.items():
        table = pd.read_csv(folder / f"tables/{name}.csv")
        assert len(table) == rows, name
        assert not table.isna().any().any()
        with Image.open(folder / f"figures/{name}.png") as picture:
            assert picture.width > 600
    text = (folder / "analysis.html").read_text(encoding="utf-8")
    assert "demo_counts, 4 shots, seeds 1, 2, CLIP demo" in text
    command = " ".join(re.findall(r"kedro run --pipelines=analysis[^<]*", text))
    assert all(given in command for given in ("dataset=demo_counts", "shots=4"))

    kept = {name: content for name, content in analysed.files().items() if "analysis" in name}
    runs = analysed.data / "06_models/analysis_runs"
    stamps = {path: path.stat().st_mtime_ns for path in runs.iterdir()}
    capsys.readouterr()
    analysed.run(FEW, stages=STAGES)
    assert {name: analysed.files()[name] for name in kept} == kept
    assert {path: path.stat().st_mtime_ns for path in runs.iterdir()} == stamps  # found, not made
    assert "08_reporting/analysis/demo/demo_counts" in capsys.readouterr().out


def test_classes_with_few_images_take_what_they_have_where_the_run_says_so(project):
    one = {"seeds": 1, "storage": "zero_shot+coop", "bits": "1", "heads": "gda"}
    analysis = {"analysis": {**FEW["analysis"], **one}}
    project.run({**analysis, "shots": 6, "short_classes": "take_all"}, stages=STAGES)
    assert list(project.data.glob("08_reporting/analysis/demo/*/*/shots6/seed1/analysis.html"))


def test_it_stands_apart_from_an_ordinary_run(project):
    assert not any("analysis" in name for name in project.nodes({}))


def test_a_protocol_without_new_classes_is_refused_before_anything_is_read(project):
    sentence = project.refusal({**FEW, "protocol": "few_shot"}, stages=STAGES)
    assert "the analysis compares base with new classes" in sentence
    assert not (project.data / "03_primary").exists()


def test_wrong_parameters_are_refused(project):
    wrong = {"analysis": {"bits": "9"}}
    assert "analysis.bits.0 is '9'" in project.refusal(wrong, stages=STAGES)
    wrong = {"analysis": {"bit": "1"}}
    assert "unknown key 'bit' (did you mean 'bits'?)" in project.refusal(wrong, stages=STAGES)
