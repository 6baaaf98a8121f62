"""What Kedro-Viz shows before anything is clicked, counted in the data its page is given."""

from __future__ import annotations

import json

import pytest

from conftest import ROOT
from fresh_python import printed

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


def names_in(box):
    names = {}
    for child in tree[box].children:
        node = nodes.get(child.id)
        names.setdefault(child.type.value, []).append(node.name if node else child.id)
    return names


tags = [sorted(node.tags) for node in pipelines["__default__"].nodes]
names, methods = names_in("__root__"), names_in("methods")
print(json.dumps({"names": names, "methods": methods, "tags": tags}))
"""
"""Names at the root of the default pipeline and in its box of methods, by kind, and tags."""


@pytest.fixture(scope="module")
def shown() -> dict:
    """What a process of its own shows: the methods of the last run would be those of this one."""
    return json.loads(printed(SHOWN, ROOT, cwd=ROOT).splitlines()[-1])


BOXES = {"data", "few_shot", "features", "methods", "report"}
METHODS = {"zero_shot", "coop", "qcoop"}
HANDED_ON = {
    "clip",
    "image_index",
    "dataset_card",
    "few_shot_set",
    "class_subsets",
    "few_shot_features",
    "test_features",
    "run_records",
    "results",
    "report",
}


def test_the_graph_opens_on_fifteen_things_however_many_methods_there_are(shown):
    names = shown["names"]
    assert set(names["modularPipeline"]) == BOXES
    assert set(names["data"]) == HANDED_ON
    assert set(names) == {"modularPipeline", "data", "parameters"}  # the last are hidden at first
    assert len(names["modularPipeline"]) + len(names["data"]) == 15


def test_the_box_of_methods_has_a_box_for_each_and_what_they_leave(shown):
    names = shown["methods"]
    assert set(names["modularPipeline"]) == {f"methods.{method}" for method in METHODS}
    assert set(names["data"]) == {f"{method}.record" for method in METHODS}
    assert len(names["task"]) == 1


def test_every_node_has_the_tag_of_its_stage(shown):
    tags = [tag for tags in shown["tags"] for tag in tags]
    assert {"data", "few_shot", "features", "training", "export", "evaluation", "report"} <= set(
        tags
    )
    assert tags.count("coop") == 5
    assert all(shown["tags"])
