"""Whole cells on a GPU: accuracy by precision, all methods on the demo, one published cell."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import accuracy
import torch
import yaml
from gpu_bench import Bench, our_step, table
from torch.nn import functional as F

from vlprompt_pipeline.methods import ClassTexts, FewShotFeatures, build_learner, fit_learner
from vlprompt_pipeline.methods.cases import Situation, recipes_in
from vlprompt_pipeline.methods.recipe import resolve_recipe
from vlprompt_pipeline.parsing import overlay

ROOT = Path(__file__).resolve().parents[2]
NODE = re.compile(r"(\d+\.\d\d) s\s+(\S+)")
PUBLISHED = (
    "zero_shot",
    "coop",
    "qcoop",
    "rlp",
    "cocoop",
    "kgcoop",
    "prograd",
    "variational",
    "maple",
    "qmaple",
    "promptsrc",
    "tip_adapter_f",
)
CLASSES, SHOTS = 50, 16  # base classes of a dataset of 100


def accuracy_by_precision(bench: Bench) -> None:
    """A prompt of the demo trained on the device in each precision, beside the CPU's."""
    row = table(("device", "precision", "base accuracy [%]", "std over seeds"))
    chosen = ("fp32", "tf32", "bf16", "fp16-amp") if bench.device == "cuda" else ("bf16",)
    seeds = accuracy.SEEDS[:1] if bench.tiny else accuracy.SEEDS
    sides = [("cpu", ("fp32",)), (bench.device, chosen)]
    for device, precisions in sides:
        for name, found in accuracy.compare(device, precisions, seeds).items():
            row(device, name, f"{found['mean']:.1f}", f"{found['std']:.1f}")


def all_methods(bench: Bench) -> None:
    """`methods=all` on the embedded default, as a user runs it."""
    methods = "coop+qcoop" if bench.tiny else "all"
    with TemporaryDirectory() as folder:
        project = Path(folder, "project")
        project.mkdir()
        for name in ("conf", "src", "pyproject.toml", "data"):
            source = ROOT / name
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, project / name)
        parameters = f"methods={methods},device={bench.device}"
        command = [sys.executable, "-m", "kedro", "run", f"--params={parameters}"]
        started = time.perf_counter()
        run = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
        taken = time.perf_counter() - started
    if run.returncode:
        print(f"failed:\n{run.stdout[-2000:]}\n{run.stderr[-2000:]}")
        return
    nodes = {name: float(s) for s, name in NODE.findall(run.stdout + run.stderr)}
    trained = {name: s for name, s in nodes.items() if ".train_" in name}
    row = table(("methods", "all [s]", "training [s]", "aim"))
    row(len(trained), f"{taken:.1f}", f"{sum(trained.values()):.1f}", "≤ 60 s, training ≤ 20 s")
    print()
    row = table(("node", "seconds"))
    for name, seconds in sorted(nodes.items(), key=lambda each: -each[1])[:15]:
        row(name, f"{seconds:.2f}")


def published_cell(bench: Bench) -> None:
    """A base-to-new cell of 100 classes and 16 shots: steps timed, epochs as published."""
    conf = yaml.safe_load((ROOT / "conf/base/parameters_recipes.yml").read_text())["recipes"]
    own = yaml.safe_load((ROOT / "conf/vit_b16/parameters_recipes.yml").read_text())["recipes"]
    recipes = recipes_in(Situation("base_to_new", "caltech101", SHOTS), overlay(conf, own))
    row = table(("method", "steps", "step [ms]", "preparing [s]", "training [min]"))
    total = 0.0
    for name in PUBLISHED:
        recipe = resolve_recipe(name, recipes)
        if bench.tiny and hasattr(recipe.prompt, "depth"):
            depths = {key: 2 for key in ("depth", "image_depth") if hasattr(recipe.prompt, key)}
            recipe = recipe.model_copy(update={"prompt": recipe.prompt.model_copy(update=depths)})
        started = time.perf_counter()
        learner = _prepared(bench, recipe)
        prepared = time.perf_counter() - started
        if recipe.training is None:
            row(name, 0, "–", f"{prepared:.1f}", "0")
            continue
        size = recipe.training.batch_size
        images = bench.pixels(size) if learner.reads == "pixels" else bench.features(size)
        labels = bench.labels(images, CLASSES)
        each_epoch = CLASSES * SHOTS // size
        steps = recipe.training.in_epochs(each_epoch).epochs * each_epoch
        parameters = recipe.training.model_copy(update={"epochs": None, "steps": steps})
        step = our_step(learner.train(), images, labels, parameters)
        (taken,) = bench.alternate(step)
        minutes = steps * taken / 60e3
        total += minutes + prepared / 60
        row(name, f"{steps:,}", f"{taken:.2f}", f"{prepared:.1f}", f"{minutes:.1f}")
    print(f"\nAll of them: {total:.1f} min, without features and evaluation (part `features`).")


def _prepared(bench: Bench, recipe):
    from cases import class_names

    texts = ClassTexts(class_names(bench.fewer(CLASSES)), "a photo of a {}.")
    learner = build_learner(recipe, bench.clip, texts, seed=1)
    if learner.fitted:
        count = bench.fewer(CLASSES) * SHOTS
        images = F.normalize(torch.randn(count, bench.clip.embed_dim, device=bench.device), dim=-1)
        labels = torch.arange(count, device=bench.device) % bench.fewer(CLASSES)
        few_shot = FewShotFeatures(images, labels, images[:32], labels[:32], images[:, None])
        fit_learner(learner, recipe, few_shot, seed=1)
    return learner
