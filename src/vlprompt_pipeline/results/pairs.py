"""Methods compared on the same test images, with p-values adjusted for the number of tests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from vlprompt_pipeline.results.average_statistics import (
    draw_average,
    draw_h,
    paired_bootstrap,
)
from vlprompt_pipeline.results.families import Family
from vlprompt_pipeline.results.records import ZERO_SHOT
from vlprompt_pipeline.results.results import AVERAGE
from vlprompt_pipeline.results.seeds import (
    HARMONIC,
    Place,
    Places,
    Right,
    averages,
    places,
    rights,
)
from vlprompt_pipeline.results.statistics import (
    Paired,
    compare_accuracy,
    compare_h,
    holm,
    verdict,
)
from vlprompt_pipeline.wording import join

Row = dict[str, object]
Couple = dict[str, tuple[Right, Right]]
"""Right or wrong of two methods over the same seeds and images, by the name of the accuracy."""


class _Test(NamedTuple):
    place: Place
    against: str
    metric: str
    paired: Paired


def pairs(family: Family, against: Sequence[str]) -> tuple[list[Row], list[str]]:
    """One row a test, and what could not be compared and why, one sentence each.

    Every method of a dataset is compared with each of `against`, over the seeds that both have,
    and so are averages over datasets. Holm's adjustment is over all tests of one metric in the
    family, which is one table (our choice): the chance that any verdict of a metric in a table is
    wrong is at most 5 %.
    """
    known = places(family)
    members = averages(family, known)
    tests: dict[str, list[_Test]] = defaultdict(list)
    uncompared: dict[tuple[str, str], list[str]] = defaultdict(list)
    for place, other in _couples([*known, *members], against):
        own = members.get(place, (place,))
        couples = [_couple(known, one, one._replace(method=other)) for one in own]
        found = list(_tests(place, other, couples))
        for test in found:
            tests[test.metric].append(test)
        if not found and place.dataset != AVERAGE:
            uncompared[place.method, other].append(place.dataset)
    rows = [
        _row(family.name, test, p_holm)
        for same in tests.values()
        for test, p_holm in zip(same, holm([t.paired.p_value for t in same]), strict=True)
    ]
    remarks = [
        f"{family.title}: {method} and {other} are not compared on {join(sorted(set(datasets)))}: "
        "they have no seed with predictions of the same images in common."
        for (method, other), datasets in uncompared.items()
    ]
    return rows, remarks


def _couples(known: Sequence[Place], against: Sequence[str]) -> Iterator[tuple[Place, str]]:
    """Each two methods once; what is compared with zero-shot is never turned around."""
    there = set(known)
    done: set[frozenset[Place]] = set()
    for other in sorted(against, key=lambda name: name != ZERO_SHOT):
        for place in known:
            partner = place._replace(method=other)
            couple = frozenset((place, partner))
            if place.method != other and partner in there and couple not in done:
                done.add(couple)
                yield place, other


def _couple(known: Places, place: Place, other: Place) -> Couple:
    """Over the seeds that both have."""
    mine, theirs = known[place], known[other]
    seeds = [seed for seed in mine if seed in theirs]
    if not seeds:
        return {}
    results = [*(mine[seed] for seed in seeds), *(theirs[seed] for seed in seeds)]
    found = rights(place.dataset, results)
    return {name: (right[: len(seeds)], right[len(seeds) :]) for name, right in found.items()}


def _tests(place: Place, other: str, couples: Sequence[Couple]) -> Iterator[_Test]:
    """Of every accuracy that all the datasets have, then of the harmonic means of these."""
    names = [name for name in couples[0] if all(name in couple for couple in couples)]
    compared = _on_average(couples, names) if place.dataset == AVERAGE else _on_one(couples[0])
    for name, paired in compared:
        yield _Test(place, other, name, paired)


def _on_one(couple: Couple) -> Iterator[tuple[str, Paired]]:
    for name, (mine, theirs) in couple.items():
        yield name, compare_accuracy(mine, theirs)
    for name, halves in HARMONIC.items():
        if all(half in couple for half in halves):
            (my_base, their_base), (my_new, their_new) = (couple[half] for half in halves)
            yield name, compare_h(my_base, my_new, their_base, their_new)


def _on_average(couples: Sequence[Couple], names: Sequence[str]) -> Iterator[tuple[str, Paired]]:
    draw = np.random.default_rng(0)
    drawn = {
        name: draw_average(draw, *zip(*(couple[name] for couple in couples), strict=True))
        for name in names
    }
    for name, halves in HARMONIC.items():
        if all(half in drawn for half in halves):
            drawn[name] = draw_h(*(drawn[half] for half in halves))
    for name, scores in drawn.items():
        yield name, paired_bootstrap(scores)


def _row(family: str, test: _Test, p_holm: float) -> Row:
    place, paired = test.place, test.paired
    return {
        "family": family,
        "dataset": place.dataset,
        "shots": place.shots,
        "metric": test.metric,
        "method": place.method,
        "against": test.against,
        "difference": paired.difference,
        "low": paired.low,
        "high": paired.high,
        "p_value": paired.p_value,
        "p_holm": p_holm,
        "test": paired.test,
        "verdict": verdict(paired, p_holm),
    }
