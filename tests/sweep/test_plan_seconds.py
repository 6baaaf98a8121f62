"""How long a method took in finished cells, from their records."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from vlprompt_pipeline.sweep.plan import seconds_by_method


@pytest.mark.parametrize("prefix", ["methods.", ""], ids=["of now", "of before"])
def test_only_the_nodes_of_the_method_count(tmp_path, prefix):
    nodes = {"features.extract_test_features": 50.0, "methods.collect_records": 1.0}
    nodes |= {f"{prefix}coop.train_coop": 2.0, f"{prefix}coop.evaluate_coop": 3.0}
    record = {"runs": [{"seconds": 90.0, "nodes": nodes, "parameters": {}}]}
    cell = tmp_path / "08_reporting/reproducibility/demo/pets/few_shot/shots1/seed1/coop"
    cell.mkdir(parents=True)
    (cell / "reproducibility.json").write_text(json.dumps(record))
    planned = SimpleNamespace(methods=("coop",), data=SimpleNamespace(root=tmp_path))
    assert seconds_by_method([planned]) == {"coop": 5.0}
