"""Methods compared on the same test images, with p-values adjusted for the number of tests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from vlprompt_pipeline.results.bootstrap import (
    Paired,
    draw_average,
    draw_h,
    paired_bootstrap,
    resamples_for,
)
from vlprompt_pipeline.results.dataset_names import AVERAGE
from vlprompt_pipeline.results.families import Family
from vlprompt_pipeline.results.records import ZERO_SHOT
from vlprompt_pipeline.results.seeds import (
    HARMONIC,
    BySeed,
    Correct,
    ScoreKey,
    averages,
    correctness,
    results_by_key,
)
from vlprompt_pipeline.results.statistics import compare_accuracy, compare_h, holm, verdict
from vlprompt_pipeline.wording import join

Row = dict[str, object]


class _Couple(NamedTuple):
    """Two methods over the seeds with predictions of both, and what each predicts correctly there.

    `correct` has both methods' arrays over the same images, by the name of the accuracy.
    """

    seeds: tuple[int, ...]
    correct: Mapping[str, tuple[Correct, Correct]]


class _Test(NamedTuple):
    key: ScoreKey
    against: str
    metric: str
    seeds: tuple[int, ...]
    paired: Paired


def pairs(family: Family, against: Sequence[str]) -> tuple[list[Row], list[str]]:
    """Make one row a test, and what could not be compared and why, one sentence each.

    Every method of a dataset is compared with each of `against`, over the seeds with predictions of
    both, and so are averages over datasets. Holm's adjustment is over all tests of one metric in
    the family, which is one table (our choice): the chance that any verdict of a metric in a table
    is wrong is at most 5 %.
    """
    by_key = results_by_key(family)
    members = averages(family, by_key)
    tests: dict[str, list[_Test]] = defaultdict(list)
    uncompared: dict[tuple[str, str], list[str]] = defaultdict(list)
    couples = list(_couples([*by_key, *members], against))
    resamples = resamples_for(len(couples))

    def tests_of(key: ScoreKey, other: str) -> list[_Test]:
        datasets = members.get(key, (key,))
        answers = [_couple(by_key, part, part._replace(method=other)) for part in datasets]
        return list(_tests(key, other, answers, resamples))

    with ThreadPoolExecutor() as pool:  # drawing images lets other threads compute
        compared = list(pool.map(tests_of, *zip(*couples, strict=True)))
    for (key, other), made in zip(couples, compared, strict=True):
        for test in made:
            tests[test.metric].append(test)
        if not made and key.dataset != AVERAGE:
            uncompared[key.method, other].append(key.dataset)
    rows = [
        _row(family.name, test, p_holm, len(same))
        for same in tests.values()
        for test, p_holm in zip(same, holm([t.paired.p_value for t in same]), strict=True)
    ]
    remarks = [
        f"{family.title}: {method} and {other} are not compared on {join(sorted(set(datasets)))}: "
        "they have no seed with predictions of the same images in common."
        for (method, other), datasets in uncompared.items()
    ]
    return rows, remarks


def _couples(keys: Sequence[ScoreKey], against: Sequence[str]) -> Iterator[tuple[ScoreKey, str]]:
    """Yield each two methods once; what is compared with zero-shot is never turned around."""
    there = set(keys)
    done: set[frozenset[ScoreKey]] = set()
    for other in sorted(against, key=lambda name: name != ZERO_SHOT):
        for key in keys:
            partner = key._replace(method=other)
            couple = frozenset((key, partner))
            if key.method != other and partner in there and couple not in done:
                done.add(couple)
                yield key, other


def _couple(by_key: Mapping[ScoreKey, BySeed], key: ScoreKey, other: ScoreKey) -> _Couple:
    mine, theirs = by_key[key], by_key[other]
    seeds = tuple(
        seed
        for seed in mine
        if seed in theirs and correctness(key.dataset, (mine[seed], theirs[seed]))
    )
    if not seeds:
        return _Couple((), {})
    results = [*(mine[seed] for seed in seeds), *(theirs[seed] for seed in seeds)]
    both = correctness(key.dataset, results)
    return _Couple(seeds, {name: (c[: len(seeds)], c[len(seeds) :]) for name, c in both.items()})


def _tests(
    key: ScoreKey, other: str, couples: Sequence[_Couple], resamples: int
) -> Iterator[_Test]:
    """Test every accuracy that all the datasets have, then the harmonic means of these."""
    correct = [couple.correct for couple in couples]
    names = [name for name in correct[0] if all(name in each for each in correct)]
    if key.dataset == AVERAGE:
        compared = _on_average(correct, names, resamples)
    else:
        compared = _on_one(correct[0], resamples)
    seeds = tuple(sorted({seed for couple in couples for seed in couple.seeds}))
    for name, paired in compared:
        yield _Test(key, other, name, seeds, paired)


def _on_one(
    correct: Mapping[str, tuple[Correct, Correct]], resamples: int
) -> Iterator[tuple[str, Paired]]:
    for name, (mine, theirs) in correct.items():
        yield name, compare_accuracy(mine, theirs, resamples)
    for name, halves in HARMONIC.items():
        if all(half in correct for half in halves):
            (my_base, their_base), (my_new, their_new) = (correct[half] for half in halves)
            yield name, compare_h(my_base, my_new, their_base, their_new, resamples)


def _on_average(
    correct: Sequence[Mapping[str, tuple[Correct, Correct]]], names: Sequence[str], resamples: int
) -> Iterator[tuple[str, Paired]]:
    draw = np.random.default_rng(0)
    drawn = {
        name: draw_average(
            draw, *zip(*(each[name] for each in correct), strict=True), resamples=resamples
        )
        for name in names
    }
    for name, halves in HARMONIC.items():
        if all(half in drawn for half in halves):
            drawn[name] = draw_h(*(drawn[half] for half in halves))
    for name, scores in drawn.items():
        yield name, paired_bootstrap(scores)


def _row(family: str, test: _Test, p_holm: float, tests: int) -> Row:
    paired = test.paired._asdict()
    return {
        "family": family,
        **test.key._asdict(),
        "metric": test.metric,
        "against": test.against,
        "seeds": test.seeds,
        **paired,
        "p_holm": p_holm,
        "tests": tests,
        "verdict": verdict(test.paired, p_holm),
    }
