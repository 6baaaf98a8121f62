"""What Kedro-Viz shows before anything is clicked, counted in the data its page is given."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from conftest import ROOT

pytest.importorskip("kedro_viz")

SHOWN = """
import json, sys
from pathlib import Path
from kedro.framework.project import pipelines
from kedro.framework.startup import bootstrap_project
from kedro_viz.data_access import data_access_manager as manager
from kedro_viz.server import load_and_populate_data

root = Path(sys.argv[1])
bootstrap_project(root)
load_and_populate_data(root, pipeline_name="__default__")
tree = manager.create_modular_pipelines_tree_for_registered_pipeline("__default__")
nodes = {node.id: node for node in manager.get_nodes_for_registered_pipeline("__default__")}
names = {}
for child in tree["__root__"].children:
    node = nodes.get(child.id)
    names.setdefault(child.type.value, []).append(node.name if node else child.id)
tags = [sorted(node.tags) for node in pipelines["__default__"].nodes]
print(json.dumps({"names": names, "tags": tags}))
"""
"""Names at the root of the default pipeline, by kind (parameters are hidden at first), and tags."""


@pytest.fixture(scope="module")
def shown() -> dict:
    """What a process of its own shows: the methods of the last run would be those of this one."""
    output = subprocess.check_output([sys.executable, "-c", SHOWN, str(ROOT)], text=True, cwd=ROOT)
    return json.loads(output.splitlines()[-1])


STAGES = {"data", "few_shot", "features", "report"}
METHODS = {"zero_shot", "coop", "qcoop"}


def test_the_graph_opens_on_a_box_a_stage_and_a_box_a_method(shown):
    boxes = shown["names"]["modularPipeline"]
    assert sorted(boxes) == sorted(STAGES | METHODS)
    assert "task" not in shown["names"]


def test_what_boxes_hand_on_is_all_that_stands_beside_them(shown):
    handed_on = {
        "clip",
        "image_index",
        "dataset_card",
        "few_shot_set",
        "class_subsets",
        "few_shot_features",
        "test_features",
        "results",
        "report",
    }
    assert set(shown["names"]["data"]) == handed_on | {f"{method}.record" for method in METHODS}


def test_every_node_has_the_tag_of_its_stage(shown):
    tags = [tag for tags in shown["tags"] for tag in tags]
    assert {"data", "few_shot", "features", "training", "export", "evaluation", "report"} <= set(
        tags
    )
    assert tags.count("coop") == 5
    assert all(shown["tags"])
