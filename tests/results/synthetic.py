"""Comparisons out of a random generator: believable numbers for whoever draws or writes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd

from vlprompt_pipeline.results.compare import COLUMNS
from vlprompt_pipeline.results.dataset_names import AVERAGE
from vlprompt_pipeline.results.results import Comparison

PROTOCOLS = ("base_to_new", "few_shot", "cross_dataset", "domain_generalisation")
METHODS = {
    "zero_shot": "Zero-shot CLIP",
    "coop": "CoOp",
    "qcoop": "QCoOp, 1 bit",
    "cocoop": "CoCoOp",
    "kgcoop": "KgCoOp",
    "prograd": "ProGrad",
    "maple": "MaPLe",
    "promptsrc": "PromptSRC",
    "tip_adapter": "Tip-Adapter-F",
}
DATASETS = ["imagenet", "caltech101", "oxford_pets", "stanford_cars", "oxford_flowers", "food101"]
DATASETS += ["fgvc_aircraft", "sun397", "dtd", "eurosat", "ucf101"]
SHIFTED = ["imagenet", "imagenet_v2", "imagenet_sketch", "imagenet_a", "imagenet_r"]
SEEDS = (1, 2, 3)
SHOTS = (1, 2, 4, 8, 16)
NOTHING = float("nan")
_BASE_NEW = ("base", "new", "generalised_base", "generalised_new")
_FURTHER = ("top5_accuracy", "macro_f1", "calibration_error")


def comparison(
    protocols: Sequence[str] = PROTOCOLS,
    *,
    methods: dict[str, str] = METHODS,
    datasets: Sequence[str] = DATASETS,
    seeds: Sequence[int] = SEEDS,
    remarks: Sequence[str] = (),
) -> Comparison:
    """Every cell of the grid, finished; one family a protocol."""
    parts = [_one(protocol, methods, datasets, seeds) for protocol in protocols]
    return Comparison(
        families=_frame("families", (part[0] for part in parts)),
        scores=_frame("scores", (row for part in parts for row in part[1])),
        pairs=_frame("pairs", (row for part in parts for row in part[2])),
        sizes=_frame("sizes", (row for part in parts for row in part[3])),
        missing=_frame("missing", ()),
        provenance=_frame("provenance", (row for part in parts for row in part[4])),
        remarks=tuple(remarks),
        newest="2026-03-01",
    )


def with_holes(whole: Comparison) -> Comparison:
    """Without CoCoOp on eurosat, and so on average, KgCoOp's intervals and its averages' spread."""
    scores, pairs = whole.scores, whole.pairs
    gone = (scores["method"] == "cocoop") & scores["dataset"].isin(["eurosat", AVERAGE])
    paired = (pairs["method"] == "cocoop") & (pairs["dataset"] == "eurosat")
    missing = [
        {
            "protocol": "base_to_new",
            "clip": "vit_b16",
            "dataset": "eurosat",
            "shots": 16,
            "seed": seed,
            "method": "cocoop",
            "reason": "no record on disk" if seed < 3 else "metrics.json: is not valid JSON",
            "command": f"kedro sweep --datasets=eurosat --shots=16 --seeds={seed}",
        }
        for seed in SEEDS
    ]
    blurred = scores[~gone].copy()
    vague = blurred["method"] == "kgcoop"
    blurred.loc[vague, ["low", "high"]] = NOTHING
    blurred.loc[vague & (blurred["dataset"] == AVERAGE), ["std", "sample_std"]] = NOTHING
    return replace(whole, scores=blurred, pairs=pairs[~paired], missing=_frame("missing", missing))


def with_flags(whole: Comparison) -> Comparison:
    """Tip-Adapter is marked as what it is, and the published figures of PromptSRC too."""
    scores = whole.scores.copy()
    of = {"tip_adapter": "flags", "promptsrc": "published_flags"}
    for method, column in of.items():
        scores[column] = [
            ("test-selected",) if row == method else flags
            for row, flags in zip(scores["method"], scores[column], strict=True)
        ]
    return replace(whole, scores=scores)


def _one(
    protocol: str, methods: dict[str, str], datasets: Sequence[str], seeds: Sequence[int]
) -> tuple[dict[str, object], list[dict], list[dict], list[dict], list[dict]]:
    """Family, scores, pairs, sizes and provenance of a protocol."""
    shifted = protocol == "domain_generalisation"
    names = [*SHIFTED] if shifted else list(datasets)
    source = names[0] if protocol in ("cross_dataset", "domain_generalisation") else ""
    several = protocol == "few_shot"
    family = {
        "family": f"{protocol}_vit_b16" + ("" if several else "_16shots"),
        "title": protocol.replace("_", " ")
        + (f", trained on {source}" if source else "")
        + ("" if several else ", 16 shots")
        + ", CLIP vit_b16",
        "protocol": protocol,
        "clip": "vit_b16",
        "weights_sha256": "a" * 64,
        "template_set": "custom",
        "shots": 0 if several else 16,
        "source": source,
        "ranking": "h" if protocol == "base_to_new" else "accuracy",
    }
    scores = list(_scores(family, names, methods, seeds))
    pairs, sizes = list(_pairs(family, scores, seeds)), list(_sizes(family, methods))
    cells = product([source] if source else names, SHOTS if several else (16,), seeds)
    return family, scores, pairs, sizes, [_origin(family, *cell) for cell in cells]


def _scores(
    family: dict[str, object], names: Sequence[str], methods: dict[str, str], seeds: Sequence[int]
) -> Iterator[dict[str, object]]:
    chance = np.random.default_rng(7)
    hard = {name: chance.uniform(45, 92) for name in names}
    gift = {name: chance.uniform(-1, 4) for name in methods}
    all_shots = SHOTS if family["protocol"] == "few_shot" else (16,)
    for shots, method in product(all_shots, methods):
        learned = 0 if method == "zero_shot" else np.log2(shots) + gift[method]
        found: dict[str, list[tuple[str, np.ndarray]]] = {}
        for name in names:
            wobble = chance.normal(0, 0.01 if method == "zero_shot" else 0.9, (8, len(seeds)))
            for metric, values in _metrics(family["protocol"], hard[name], learned, wobble):
                found.setdefault(metric, []).append((name, np.clip(values, 0, 100)))
        for metric, values in found.items():
            key = {"family": family["family"], "shots": shots, "method": method, "metric": metric}
            key["title"] = methods[method]
            for name, of_seeds in values:
                yield _score(key | {"dataset": name}, of_seeds, seeds, chance)
            kept = [of_seeds for name, of_seeds in values if name != family["source"]]
            if len(names) > 1:
                mean = np.mean(kept, axis=0)
                yield _score(key | {"dataset": AVERAGE}, mean, seeds, chance)


def _metrics(
    protocol: str, hard: float, learned: float, wobble: np.ndarray
) -> Iterator[tuple[str, np.ndarray]]:
    """Metrics of a cell, `[seeds]` each."""
    if protocol == "base_to_new":
        shift = {"base": 2 * learned, "new": 3 - learned}
        shift |= {"generalised_base": 2 * learned - 6, "generalised_new": -learned - 7}
        parts = {part: hard + shift[part] + wobble[i] for i, part in enumerate(_BASE_NEW)}
        h = {
            "h": 2 / (1 / parts["base"] + 1 / parts["new"]),
            "generalised_h": 2 / (1 / parts["generalised_base"] + 1 / parts["generalised_new"]),
        }
        yield from (parts | h | {"mean_of_h": h["h"] - 0.2}).items()
        prefixes = {"base_": parts["base"], "new_": parts["new"]}
    else:
        prefixes = {"": hard + learned + wobble[0]}
        yield "accuracy", prefixes[""]
    for prefix, values in prefixes.items():
        for further, value in zip(
            _FURTHER, (values / 2 + 50, values - 1.3, 3 + abs(wobble[5]) + learned), strict=True
        ):
            yield f"{prefix}{further}", value


def _score(
    key: dict[str, object], values: np.ndarray, seeds: Sequence[int], chance: np.random.Generator
) -> dict[str, object]:
    mean, several = float(values.mean()), len(seeds) > 1
    half = float(chance.uniform(0.4, 2.5))
    bounded = key["metric"] in {*_BASE_NEW, "h", "accuracy"}
    printed = key["metric"] in {"base", "new", "h"} and key["method"] != "qcoop"
    published = mean + float(chance.normal(0, 1.2)) if printed else NOTHING
    stated = 0.8 if printed and key["method"] != "coop" else NOTHING
    inside = "yes" if abs(mean - published) <= stated else "no"
    return key | {
        "seeds": tuple(seeds),
        "n_seeds": len(seeds),
        "mean": mean,
        "std": float(values.std()),
        "sample_std": float(values.std(ddof=1)) if several else NOTHING,
        "low": mean - half if bounded else NOTHING,
        "high": mean + half if bounded else NOTHING,
        "images": int(chance.integers(800, 20_000)),
        "per_seed": tuple(values.tolist()),
        "caveats": () if several else (f"only seed {seeds[0]}",),
        "flags": (),
        "published": published,
        "published_std": stated,
        "delta": mean - published,
        "inside": "" if not printed else inside if stated > 0 else "not stated",
        "published_source": "A paper, Table 1" if printed else "",
        "published_flags": (),
    }


def _pairs(
    family: dict[str, object], scores: list[dict], seeds: Sequence[int]
) -> Iterator[dict[str, object]]:
    """Every two methods on every dataset, and on average, by the headline metrics."""
    chance = np.random.default_rng(11)
    metrics = ("base", "new", "h") if family["protocol"] == "base_to_new" else ("accuracy",)
    means = {
        (row["dataset"], row["shots"], row["metric"], row["method"]): row["mean"] for row in scores
    }
    methods = list(dict.fromkeys(row["method"] for row in scores))
    for dataset, shots, metric in dict.fromkeys(key[:3] for key in means):
        if metric not in metrics:
            continue
        for number, against in enumerate(methods):
            for method in methods[number + 1 :]:
                difference = means[dataset, shots, metric, method]
                difference -= means[dataset, shots, metric, against]
                half = float(chance.uniform(0.5, 2))
                p_value = float(np.exp(-abs(difference) / half * 2))
                shown = "better" if difference > 0 else "worse"
                yield {
                    "family": family["family"],
                    "dataset": dataset,
                    "shots": shots,
                    "metric": metric,
                    "method": method,
                    "against": against,
                    "seeds": tuple(seeds),
                    "tests": 9,
                    "difference": difference,
                    "low": difference - half,
                    "high": difference + half,
                    "p_value": p_value,
                    "p_holm": min(1.0, 9 * p_value),
                    "test": "paired bootstrap",
                    "verdict": shown if 9 * p_value < 0.05 else "no difference shown",
                }


def _origin(family: dict[str, object], dataset: str, shots: int, seed: int) -> dict[str, object]:
    return {
        "family": family["family"],
        "dataset": dataset,
        "shots": shots,
        "seed": seed,
        "split_sha256": f"{len(dataset):064x}",
        "random_split": "",
        "few_shot_sha256": f"{seed:064x}",
        "code_version": "0.1.0",
        "base_classes": tuple(f"{dataset} <class> {number}" for number in range(100)),
        "new_classes": tuple(f"{dataset} class {number}" for number in range(100, 200)),
        "test_images": "1000 base, 1000 new",
    }


def _sizes(family: dict[str, object], methods: dict[str, str]) -> Iterator[dict[str, object]]:
    for number, (method, title) in enumerate(methods.items()):
        trained = 0 if method == "zero_shot" else 512 * 4**number
        bits = 1 if method.startswith("q") else 16
        yield {
            "family": family["family"],
            "method": method,
            "title": title,
            "trainable_parameters": trained,
            "payload_bytes": trained * bits // 8,
            "file_bytes": trained * bits // 8 + 60,
            "fp16_bytes": trained * 2,
            "inference_cost": 11.7 if method == "cocoop" else 1.0,
        }


def _frame(table: str, rows: Iterable[dict[str, object]]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=COLUMNS[table].split())
