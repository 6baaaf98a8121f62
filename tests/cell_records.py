"""Cell records made by hand."""

from __future__ import annotations

import pytest

TOTAL = 200


def method_entry(
    name: str, base: int, new: int | None, changes: dict[str, object]
) -> dict[str, object]:
    """A method with so many right answers of 200."""
    entry: dict[str, object] = {
        "method": name,
        "title": {"zero_shot": "Zero-shot CLIP", "coop": "CoOp", "qcoop": "QCoOp, 1 bit"}.get(
            name, name
        ),
        "base": {"correct": base, "total": TOTAL},
        "trainable_parameters": 0 if name == "zero_shot" else 2048,
        "payload_bytes": 0 if name == "zero_shot" else 8192,
        "file_bytes": 150 if name == "zero_shot" else 8900,
        "fp16_bytes": 0 if name == "zero_shot" else 4096,
    }
    if new is not None:
        entry["new"] = {"correct": new, "total": TOTAL}
    return entry | changes


def cell_record(
    methods: dict[str, tuple[int, int | None]],
    *,
    notes: tuple[str, ...] = (),
    changes: dict[str, dict[str, object]] | None = None,
    **cell: object,
) -> dict[str, object]:
    """A valid record as parsed JSON; `changes` are further fields by method."""
    has_new = any(new is not None for _, new in methods.values())
    return {
        "schema_version": 1,
        "cell": {
            "protocol": "base_to_new" if has_new else "few_shot",
            "dataset": "demo_counts",
            "shots": 16,
            "seed": 1,
            "clip": "demo",
            "weights_sha256": "a" * 64,
            "split_sha256": "b" * 64,
            "few_shot_sha256": "c" * 64,
            "template_set": "custom",
            "code_version": "0.1.0",
        }
        | cell,
        "classes": {
            "base": ["two red squares", "one <b>bold</b> & 'quoted' disc"],
            "new": ["three blue stars"] if has_new else [],
        },
        "notes": list(notes),
        "methods": [
            method_entry(name, *right, (changes or {}).get(name, {}))
            for name, right in methods.items()
        ],
    }


def together(base: int, new: int) -> dict[str, object]:
    """So many right answers of 200 in each half, among all classes."""
    right = {"base": base, "new": new}
    return {"generalised": {half: {"correct": n, "total": TOTAL} for half, n in right.items()}}


@pytest.fixture
def two_seeds_together() -> dict[str, dict[str, object]]:
    """`two_seeds`, and among all classes 40 / 40 % with zero-shot, CoOp 60 / 40 and 50 / 10 %."""
    zero_shot = {"zero_shot": together(80, 80)}
    coop = [{"coop": together(120, 80)}, {"coop": together(100, 20)}]
    right = [{"zero_shot": (100, 100), "coop": (160, 120)}]
    right += [{"zero_shot": (100, 100), "coop": (120, 40)}]
    return {
        f"seed{seed}": cell_record(methods, seed=seed, changes=zero_shot | more)
        for seed, methods, more in zip((1, 2), right, coop, strict=True)
    }


@pytest.fixture
def make_record():
    """The function that makes a record."""
    return cell_record


@pytest.fixture
def two_seeds() -> dict[str, dict[str, object]]:
    """Zero-shot 50 / 50 %; CoOp 80 / 60 % with seed 1 and 60 / 20 % with seed 2."""
    return {
        "seed1": cell_record({"zero_shot": (100, 100), "coop": (160, 120)}, seed=1),
        "seed2": cell_record({"zero_shot": (100, 100), "coop": (120, 40)}, seed=2),
    }
