"""What bits do to trained prompts: calibration by bits, and bits by singular value. Paired.

Run: python tests/speed/prompt_bits.py [dataset …]

For each dataset (demo_aerial, demo_patterns and demo_flags if none is named) CoOp, CoOp in 1, 2 and
4 bits and RLP of rank 4 are trained on 16 shots of the base classes with seeds 1 to 3, everything
in a temporary project, and asked on the same test images.

The first table is the expected calibration error and mean confidence less accuracy, with the
difference of the error to CoOp's (16 bits). The second takes RLP's change apart into its four
singular directions, each a pair of vectors with a k-means codebook of its own, and gives them bits:
none leaves the direction out. Intervals of 95 % are over 1,000 drawn sets of images, the same for
both; the seeds' differences are averaged.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from calibration import DRAWS, scores
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from torch import Tensor

from vlprompt_pipeline.analysis import Material, ResultStore, train_runs
from vlprompt_pipeline.analysis.config import AnalysisParameters
from vlprompt_pipeline.analysis.material import HALVES
from vlprompt_pipeline.analysis.plan import make_plan
from vlprompt_pipeline.analysis.runs import Run
from vlprompt_pipeline.config import FeatureParameters
from vlprompt_pipeline.export import load_learner, pack, pack_learner
from vlprompt_pipeline.methods import (
    PromptLearner,
    Recipe,
    build_plain,
    resolve_recipe,
    restore_learner,
)
from vlprompt_pipeline.parametrizations.clustering import kmeans_1d
from vlprompt_pipeline.pipelines.analysis.nodes import material_of

ROOT = Path(__file__).resolve().parents[2]
DATASETS, SEEDS, SHOTS = ("demo_aerial", "demo_patterns", "demo_flags"), (1, 2, 3), 16
STAGES = ("data_preparation", "few_shot_sampling", "feature_extraction")
BITS = (1, 2, 4)
ALLOCATIONS = ((2, 2, 2, 2), (3, 2, 2, 1), (4, 2, 1, 1), (1, 1, 1, 1), (2, 1, 1, 0), (3, 1, 0, 0))
EQUAL = {8: (2, 2, 2, 2), 4: (1, 1, 1, 1)}

Answers = list[np.ndarray]
"""Confidence and correctness on the images of a half, `[2, images]` for each seed."""


def prepare(project: Path, dataset: str) -> tuple[Material, Mapping[str, Any]]:
    """Classes, images and features of a dataset, and the recipes of the project."""
    params = {"dataset": dataset, "shots": SHOTS, "tracking": {"enabled": False}}
    with KedroSession.create(project, runtime_params=params) as session:
        session.run(pipeline_names=list(STAGES))
    with KedroSession.create(project, runtime_params=params) as session:
        context = session.load_context()
        load, given = context.catalog.load, context.params
        section = AnalysisParameters.model_validate(given["analysis"])
        plan = make_plan(section, given["recipes"], SEEDS[0])
        material = material_of(
            plan=plan,
            clip=load("clip"),
            table=load("image_index"),
            card=load("dataset_card"),
            class_subsets=load("class_subsets"),
            test_features=load("test_features"),
            store=load("params:feature_store"),
            features=FeatureParameters.model_validate(given["features"]),
            shots=SHOTS,
        )
    return material, given["recipes"]


@torch.no_grad()
def answers(learner: PromptLearner, material: Material, half: str) -> np.ndarray:
    """Confidence and correctness, `[2, images]`."""
    test = material.test[half]
    sure, said = learner.logits(test.features).softmax(-1).max(-1)
    return np.stack([sure.double().numpy(), (said == test.labels).numpy()])


def shipped(recipe: Recipe, state: Mapping[str, Tensor], material: Material) -> dict[str, Any]:
    """Answers of the file that ships, by half."""
    learner = restore_learner(recipe, material.clip, material.classes["base"], state).eval()
    content = pack(pack_learner(learner, recipe))
    return {
        half: answers(
            load_learner(content, recipe, material.clip, material.classes[half]), material, half
        )
        for half in HALVES
    }


def interval(values: Sequence[float]) -> str:
    low, high = np.percentile(values, [2.5, 97.5])
    return f"[{low:+.1f}, {high:+.1f}]"


def paired(
    ours: Answers, theirs: Answers, measure: Callable[[np.ndarray, np.ndarray], float]
) -> list[float]:
    """Differences of a measure over drawn sets of images, averaged over seeds."""
    generator = np.random.default_rng(0)
    images = ours[0].shape[1]
    drawn = generator.integers(0, images, (DRAWS, images))
    pairs = list(zip(ours, theirs, strict=True))
    return [
        float(np.mean([measure(a, rows) - measure(b, rows) for a, b in pairs])) for rows in drawn
    ]


def calibration(found: Mapping[str, list[dict[str, np.ndarray]]]) -> None:
    """Print the first table; `found` by bits, 16 first, a dictionary by half for each seed."""
    for half in HALVES:
        reference = [each[half] for each in found["16"]]
        for bits, each_seed in found.items():
            own = [each[half] for each in each_seed]
            whole = np.arange(own[0].shape[1])
            values = np.array([scores(table, whole) for table in own])
            line = f"| {half} | {bits} | {values[:, 0].mean():.1f} | {values[:, 1].mean():+.1f} |"
            if bits != "16":
                apart = paired(own, reference, lambda table, rows: scores(table, rows)[0])
                first = np.array([scores(table, whole)[0] for table in reference])
                each_difference = values[:, 0] - first
                listed = ", ".join(f"{value:+.1f}" for value in each_difference)
                line += f" {each_difference.mean():+.1f} {interval(apart)} | {listed} |"
            print(line, flush=True)


def in_bits(change: Tensor, allocation: Sequence[int]) -> Tensor:
    """A change `[tokens, width]` with that many bits for each value of its singular directions."""
    left, values, right = torch.linalg.svd(change.double(), full_matrices=False)
    made = torch.zeros_like(change, dtype=torch.float64)
    for number, bits in enumerate(allocation):
        if not bits:
            continue
        u, v = left[:, number], right[number]
        units = torch.cat([u * len(u) ** 0.5, v * len(v) ** 0.5]).numpy()
        entries = kmeans_1d(units, 2**bits).astype(np.float16).astype(np.float64)
        shown = entries[np.searchsorted((entries[1:] + entries[:-1]) / 2, units)]
        a, b = torch.from_numpy(shown).split([len(u), len(v)])
        scale = float(np.float16(values[number] / (len(u) * len(v)) ** 0.5))
        made += scale * torch.outer(a, b)
    return made.to(change)


def singular(
    recipe: Recipe, states: Sequence[Mapping[str, Tensor]], material: Material
) -> dict[tuple[int, ...], list[dict[str, np.ndarray]]]:
    """Answers by allocation, a dictionary by half for each seed."""
    found: dict[tuple[int, ...], list[dict[str, np.ndarray]]] = {each: [] for each in ALLOCATIONS}
    base = material.classes["base"]
    for state in states:
        learner = restore_learner(recipe, material.clip, base, state).eval()
        initial = learner.parametrizations.context[0].initial
        change = (learner.context - initial).detach()
        for allocation in ALLOCATIONS:
            answered = {}
            for half in HALVES:
                plain = build_plain(recipe, material.clip, material.classes[half])
                plain.load_prompt({"context": initial + in_bits(change, allocation)})
                answered[half] = answers(plain, material, half)
            found[allocation].append(answered)
    return found


def by_direction(found: Mapping[tuple[int, ...], list[dict[str, np.ndarray]]]) -> None:
    """Print the second table: accuracies, and the difference of each half to equal bits."""

    def right(table: np.ndarray, rows: np.ndarray) -> float:
        return 100 * float(table[1][rows].mean())

    for allocation, each_seed in found.items():
        equal, cells = found[EQUAL[sum(allocation)]], []
        for half in HALVES:
            own, other = ([each[half] for each in seeds] for seeds in (each_seed, equal))
            whole = np.arange(own[0].shape[1])
            mean = np.mean([right(table, whole) for table in own])
            cell = f"{mean:.1f}"
            if equal is not each_seed:
                pairs = zip(own, other, strict=True)
                apart = np.mean([right(a, whole) - right(b, whole) for a, b in pairs])
                cell += f" | {apart:+.1f} {interval(paired(own, other, right))}"
            else:
                cell += " | "
            cells.append(cell)
        print(f"| {', '.join(map(str, allocation))} | {' | '.join(cells)} |", flush=True)


def compare(project: Path, dataset: str) -> None:
    """Train on a dataset and print both tables of it."""
    material, recipes = prepare(project, dataset)
    entries = {
        f"q{bits}": {"extends": "coop", "title": "", "quantize": {"bits": bits}} for bits in BITS
    }
    entries["r4"] = {"extends": "rlp", "title": "", "low_rank": {"rank": 4}}
    named = {name: resolve_recipe(name, {**recipes, **entries}) for name in ("coop", *entries)}
    runs = {Run.of(recipe, seed): False for recipe in named.values() for seed in SEEDS}
    results = train_runs(runs, material, ResultStore(project / "runs"), 1024)

    def states(name: str) -> list[Mapping[str, Tensor]]:
        return [results[Run.of(named[name], seed)].state for seed in SEEDS]

    print(f"{dataset}: classes | bits | error | confidence − accuracy | difference | by seed")
    bits = {"16": "coop", **{str(number): f"q{number}" for number in BITS}}
    calibration(
        {
            number: [shipped(named[name], state, material) for state in states(name)]
            for number, name in bits.items()
        }
    )
    print(f"{dataset}: bits by direction | base | difference | new | difference")
    by_direction(singular(named["r4"], states("r4"), material))


def main(datasets: Sequence[str]) -> None:
    """Print both tables of each dataset."""
    with TemporaryDirectory() as folder:
        project = Path(folder)
        shutil.copytree(ROOT / "conf", project / "conf", ignore=shutil.ignore_patterns("local"))
        for name in ("pyproject.toml", ".telemetry"):
            shutil.copy(ROOT / name, project)
        for name in ("src", "data", "conf/local"):
            (project / name).mkdir()
        bootstrap_project(project)
        for dataset in datasets:
            compare(project, dataset)


if __name__ == "__main__":
    main(sys.argv[1:] or DATASETS)
