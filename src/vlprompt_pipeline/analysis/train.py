"""Train the runs of an analysis: those that can share a batch together, the others one by one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

import torch

from vlprompt_pipeline.analysis.follow import Following
from vlprompt_pipeline.analysis.material import HALVES, Material
from vlprompt_pipeline.analysis.runs import Result, ResultStore, Run
from vlprompt_pipeline.export.learner import load_learner, pack_learner
from vlprompt_pipeline.export.packed import pack, prompt_sizes
from vlprompt_pipeline.methods import PromptLearner, Recipe, build_learner, fit_learner
from vlprompt_pipeline.progress import Progress, no_progress
from vlprompt_pipeline.training import train
from vlprompt_pipeline.training.repeatable import repeatable
from vlprompt_pipeline.training.side_by_side import SideBySide, Streams, layout_key


def train_runs(
    runs: Mapping[Run, bool],
    material: Material,
    store: ResultStore,
    prompts_at_once: int,
    progress: Progress = no_progress,
) -> dict[Run, Result]:
    """Return the result of each run, from the store or trained now and stored.

    Args:
        runs: what is asked for, and whether it is followed through the epochs.
        material: data of every seed of the runs.
        store: where results are kept.
        prompts_at_once: learners times classes in one batch of the text tower, at most.
        progress: shown over the runs that are not in the store.
    """
    names = {run: run.fingerprint(material, followed) for run, followed in runs.items()}
    results = {run: store.load(name) for run, name in names.items()}
    missing = [run for run in runs if results[run] is None]
    with progress("analysis runs", len(missing)) as advance:
        for group in _groups(missing, runs, material, prompts_at_once):
            for run, result in zip(group, _train(group, runs[group[0]], material), strict=True):
                store.save(names[run], result)
                results[run] = result
            advance(len(group))
    return results


def score_packed(learner: PromptLearner, recipe: Recipe, material: Material) -> dict[str, int]:
    """Return right answers of the file that would ship, and its sizes.

    One that is bound to the classes of training answers for the base classes alone.
    """
    packed = pack_learner(learner, recipe)
    content, sizes = pack(packed), asdict(prompt_sizes(packed))
    scores = {name: sizes[name] for name in ("payload_bytes", "file_bytes")}
    scores["trainable_parameters"] = sum(p.numel() for p in learner.parameters())
    with torch.no_grad():
        for half in HALVES[:1] if recipe.bound_to_classes else HALVES:
            loaded = load_learner(content, recipe, material.clip, material.classes[half])
            scores[f"{half}_correct"] = material.correct(half, loaded)
            scores[f"{half}_total"] = len(material.test[half].labels)
    return scores


def _groups(
    runs: Sequence[Run], followed: Mapping[Run, bool], material: Material, at_once: int
) -> Iterator[list[Run]]:
    """Yield runs that share a batch, as many as fit; each other run alone."""
    alike: dict[object, list[Run]] = defaultdict(list)
    for run in runs:
        layout = layout_key(run.recipe)
        alike[(layout, followed[run]) if layout else run].append(run)
    size = max(1, at_once // len(material.classes["base"].names))
    for group in alike.values():
        yield from (group[start : start + size] for start in range(0, len(group), size))


def _train(group: Sequence[Run], followed: bool, material: Material) -> list[Result]:
    """Return results of runs of one group, trained together if they can be."""
    recipe, base = group[0].recipe, material.classes["base"]
    learners = [build_learner(run.recipe, material.clip, base, run.seed) for run in group]
    following = Following(recipe, material) if followed else None
    few_shot = material.at_once(group[0].seed) if learners[0].fitted else None
    if few_shot is not None:  # such a learner shares no batch, so it is alone in its group
        with repeatable(material.clip.device):
            fit_learner(learners[0], recipe, few_shot, group[0].seed)
    if recipe.training:
        seeds = list(dict.fromkeys(run.seed for run in group))
        sources = [material.batches(learners[0], recipe, seed) for seed in seeds]
        learner, batches = learners[0], sources[0]
        if layout_key(recipe):
            learner = SideBySide(learners, [seeds.index(run.seed) for run in group])
            batches = Streams(sources)
        if following:
            following.look(learner)
        train(learner, batches, recipe.training, after_epoch=following and following.look)
    if few_shot is not None:
        learners[0].settle(few_shot)
    return [
        Result(
            scores=score_packed(learner.eval(), run.recipe, material),
            state=learner.state_dict(),
            correct=following.correct[number] if following else None,
            contexts=following.contexts[number] if following else None,
        )
        for number, (run, learner) in enumerate(zip(group, learners, strict=True))
    ]
