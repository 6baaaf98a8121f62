"""What the documentation shows runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_python_api_page(tmp_path, monkeypatch, capsys):
    page = (ROOT / "docs" / "python-api.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(code, "python-api.md", "exec"), names)
    printed = re.findall(r"(\d+) bytes, (\d+) classes: ([\d.]+) %", capsys.readouterr().out)
    assert len(printed) == 2
    assert all(int(size) <= 160 for size, _, _ in printed)
    assert all(float(accuracy) > 3 * 100 / int(classes) for _, classes, accuracy in printed)
    assert names["history"][-1]["loss"] < names["history"][0]["loss"]
    seen = names["prompt"].prompt_tensors()["context"].numpy()
    assert (names["context"] == seen).all()
    features = names["images"].values[:, 0]
    assert (names["head"].logits(features) == names["prompt"].logits(features)).all()
    rows = names["trained"].prompt_tensors()["context"]
    assert all(len(row.unique()) <= 16 for row in rows)
