"""What a reader must know before trusting a table: missing seeds, mixed versions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

from vlprompt_pipeline.results.groups import Group, GroupKey
from vlprompt_pipeline.wording import join, seeds_text, shots_text

_FINGERPRINTS = {
    "template_set": "template sets",
    "weights_sha256": "CLIP weights",
    "split_sha256": "splits",
    "random_split": "splits",
    "classes": "class lists",
    "targets": "targets",
}


def group_remarks(group: Group) -> list[str]:
    """Return the records' notes and what makes the rows less comparable, one sentence each."""
    remarks = list(dict.fromkeys(note for record in group.records for note in record.notes))
    remarks += _bound_to_training(group)
    remarks += _different_images(group)
    remarks += _missing_seeds(group)
    remarks += _different_totals(group)
    versions = sorted({record.cell.code_version for record in group.records})
    if len(versions) > 1:
        remarks.append(f"The seeds were run by different versions of the code: {join(versions)}.")
    return remarks


def mixed_remarks(groups: Sequence[Group]) -> list[str]:
    """Name the groups that look alike but differ in a fingerprint and so are kept apart."""
    alike: dict[tuple[str, str, str, int], list[GroupKey]] = defaultdict(list)
    for group in groups:
        key = group.key
        alike[key.dataset, key.protocol, key.clip, key.shots].append(key)
    remarks = []
    for (dataset, *_, shots), keys in alike.items():
        if len(keys) > 1:
            remarks.append(
                f"{dataset}, {shots_text(shots)} was run with different {differing(keys)}: "
                f"the results stand in {len(keys)} separate tables and are not averaged."
            )
    return remarks


def differing(keys: Collection[GroupKey]) -> str:
    """Name the fingerprints that groups differ in, for instance "splits and class lists"."""
    return " and ".join(
        dict.fromkeys(
            words
            for field, words in _FINGERPRINTS.items()
            if len({getattr(key, field) for key in keys}) > 1
        )
    )


def _bound_to_training(group: Group) -> list[str]:
    """Name the methods that have no score on classes held out or of other datasets."""
    if not (group.key.classes[1] or group.key.targets):
        return []
    titles = dict.fromkeys(
        result.title for result in group.results if result.new is None and not result.targets
    )
    if not titles:
        return []
    return [
        f"Bound to the classes of training, so without accuracy on new ones: {join(list(titles))}."
    ]


def _different_images(group: Group) -> list[str]:
    """Name the seeds whose methods were not trained on the same few-shot images."""
    drawn: dict[int, set[str]] = defaultdict(set)
    for record in group.records:
        drawn[record.cell.seed].add(record.cell.few_shot_sha256)
    seeds = [seed for seed, few_shot_sets in drawn.items() if len(few_shot_sets) > 1]
    if not seeds:
        return []
    return [f"With {seeds_text(seeds)} the methods were trained on different few-shot images."]


def _missing_seeds(group: Group) -> list[str]:
    present: dict[str, list[int]] = defaultdict(list)
    titles: dict[str, str] = {}
    for record in group.records:
        for result in record.methods:
            present[result.method].append(record.cell.seed)
            titles[result.method] = result.title
    return [
        f"{titles[method]} lacks {seeds_text(missing)} of {seeds_text(group.seeds)}: "
        "its mean is over fewer runs than the others'."
        for method, seeds in present.items()
        if (missing := [seed for seed in group.seeds if seed not in seeds])
    ]


def _different_totals(group: Group) -> list[str]:
    base_totals = {result.base.total for result in group.results}
    new_totals = {result.new.total for result in group.results if result.new is not None}
    if max(len(base_totals), len(new_totals)) < 2:
        return []
    return ["The number of test images differs between runs or methods."]
