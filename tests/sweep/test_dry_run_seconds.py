"""How long a method took in finished cells, from their records."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from vlprompt_pipeline.sweep.dry_run import seconds_by_method


def finish(data: Path, clip: str, run: dict[str, Any]) -> None:
    cell = data / f"08_reporting/reproducibility/{clip}/pets/few_shot/shots1/seed1/coop"
    cell.mkdir(parents=True)
    (cell / "reproducibility.json").write_text(json.dumps({"runs": [run]}))


def planned(data: Path, clip: str) -> SimpleNamespace:
    parameters = SimpleNamespace(clip=SimpleNamespace(name=clip))
    return SimpleNamespace(
        methods=("coop",), data=SimpleNamespace(root=data), parameters=parameters
    )


def test_only_the_nodes_of_the_method_count(tmp_path):
    nodes = {"features.extract_test_features": 50.0, "methods.collect_records": 1.0}
    nodes |= {"methods.coop.train_coop": 2.0, "methods.coop.evaluate_coop": 3.0}
    finish(tmp_path, "demo", {"seconds": 90.0, "nodes": nodes, "parameters": {}})
    assert seconds_by_method([planned(tmp_path, "demo")]) == {"coop": 5.0}


def test_cells_with_another_clip_do_not_count(tmp_path):
    finish(tmp_path, "demo", {"seconds": 5.0, "nodes": None, "parameters": {}})
    assert seconds_by_method([planned(tmp_path, "vit_b16")]) == {}
