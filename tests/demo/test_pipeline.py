"""The Kedro pipeline around the library: wired to its catalog, its parameters the recipe."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from vlprompt_pipeline.demo.config import Architecture, PretrainingConfig
from vlprompt_pipeline.demo.evaluate import zero_shot
from vlprompt_pipeline.pipelines.demo_pretraining import nodes
from vlprompt_pipeline.pipelines.demo_pretraining.pipeline import create_pipeline

CONF = Path(__file__).resolve().parents[2] / "conf" / "base"
TINY = PretrainingConfig(
    pool=60,
    steps=2,
    batch=8,
    threads=1,
    architecture=Architecture(
        embed=16, patch=16, width=32, heads=2, vision_layers=1, text_layers=1
    ),
)


def test_the_parameter_file_states_the_recipe():
    stated = yaml.safe_load((CONF / "parameters_demo_pretraining.yml").read_text())
    assert PretrainingConfig(**stated["demo_pretraining"]) == PretrainingConfig()


def test_what_is_kept_is_in_the_catalog():
    catalog = yaml.safe_load((CONF / "catalog_demo_pretraining.yml").read_text())
    pipeline = create_pipeline()
    assert set(catalog) == (pipeline.all_outputs() | pipeline.inputs()) - {
        "demo_pool",
        "demo_clip_trained",
        "params:demo_pretraining",
    }


def test_it_runs_from_pool_to_card(tmp_path, monkeypatch):
    monkeypatch.setattr(nodes, "zero_shot", lambda trained: zero_shot(trained, ["demo_aerial"]))
    folder = tmp_path / "clip"
    catalog = DataCatalog(
        {
            "params:demo_pretraining": MemoryDataset(TINY, copy_mode="assign"),
            "params:demo_clip_folder": MemoryDataset(folder, copy_mode="assign"),
        }
    )
    outputs = SequentialRunner().run(create_pipeline(), catalog)
    record = outputs["demo_clip_record"].load()
    assert record["steps"] == 2
    card = (folder / "CARD.md").read_text()
    assert record["sha256"] in card
    assert "| `demo_aerial` | 25 | yes | 1000 |" in card
    written = {"open_clip_model.safetensors", "open_clip_config.json", "CARD.md"}
    assert {path.name for path in folder.iterdir()} == written


@pytest.mark.parametrize("value", [{"steps": 0}, {"one_kind_share": 1.5}, {"batch": 1}])
def test_impossible_recipes_are_refused(value):
    with pytest.raises(ValueError, match=next(iter(value))):
        PretrainingConfig(**value)
