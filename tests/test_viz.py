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


def test_the_graph_opens_on_a_few_boxes(shown):
    boxes = shown["modularPipeline"] | shown["task"]
    assert {"data", "few_shot", "features", "report", "coop", "qcoop", "zero_shot"} <= boxes
    assert len(boxes) <= 15


def test_of_a_method_only_what_the_report_reads_stands_beside_the_boxes(shown):
    of_methods = {name for name in shown["data"] if name.split(".")[0] in shown["modularPipeline"]}
    assert {name.split(".")[1] for name in of_methods} == {"record", "predictions"}
    assert len(shown["data"]) < 25


def test_no_folder_is_a_data_set_of_the_graph(shown):
    assert not [name for name in shown["data"] if "folder" in name or "store" in name]
    assert {"clip", "image_index", "few_shot_set", "coop.record"} <= shown["data"]


def test_every_node_has_the_tag_of_its_stage():
    from kedro.framework.project import pipelines

    tags = Counter(tag for node in pipelines["__default__"].nodes for tag in node.tags)
    assert {"data", "few_shot", "features", "training", "export", "evaluation", "report"} <= set(
        tags
    )
    assert tags["coop"] == 4
    assert all(node.tags for node in pipelines["__default__"].nodes)
