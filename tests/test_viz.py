"""What Kedro-Viz shows before anything is clicked, counted in the data its page is given."""

from __future__ import annotations

from collections import Counter

import pytest
from kedro.framework.startup import bootstrap_project

from conftest import ROOT

data_access = pytest.importorskip("kedro_viz.data_access")


@pytest.fixture(scope="module")
def shown() -> dict[str, set[str]]:
    """Names at the root of the default pipeline, by kind; parameters are hidden at first."""
    from kedro_viz.server import load_and_populate_data

    bootstrap_project(ROOT)
    load_and_populate_data(ROOT, pipeline_name="__default__")
    manager = data_access.data_access_manager
    tree = manager.create_modular_pipelines_tree_for_registered_pipeline("__default__")
    nodes = {node.id: node for node in manager.get_nodes_for_registered_pipeline("__default__")}
    names: dict[str, set[str]] = {}
    for child in tree["__root__"].children:
        node = nodes.get(child.id)
        names.setdefault(child.type.value, set()).add(node.name if node else child.id)
    return names


STAGES = {"data", "few_shot", "features", "report"}
METHODS = {"zero_shot", "coop", "qcoop"}


def test_the_graph_opens_on_a_box_a_stage_and_a_box_a_method(shown):
    assert shown["modularPipeline"] == STAGES | METHODS
    assert "task" not in shown


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
    assert shown["data"] == handed_on | {f"{method}.record" for method in METHODS}


def test_every_node_has_the_tag_of_its_stage():
    from kedro.framework.project import pipelines

    tags = Counter(tag for node in pipelines["__default__"].nodes for tag in node.tags)
    assert {"data", "few_shot", "features", "training", "export", "evaluation", "report"} <= set(
        tags
    )
    assert tags["coop"] == 5
    assert all(node.tags for node in pipelines["__default__"].nodes)
