"""Methods compared on the same test images, with p-values adjusted for the number of tests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from vlprompt_pipeline.comparison.cells import Result
from vlprompt_pipeline.comparison.families import Family
from vlprompt_pipeline.comparison.scores import HARMONIC, Place, by_place, stacked
from vlprompt_pipeline.evaluation.statistics import (
    Paired,
    compare_accuracy,
    compare_h,
    holm,
    verdict,
)
from vlprompt_pipeline.evaluation.wording import join

Row = dict[str, object]


class _Test(NamedTuple):
    place: Place
    against: str
    metric: str
    paired: Paired


def pairs(family: Family, against: Sequence[str]) -> tuple[list[Row], list[str]]:
    """One row a test, and what could not be compared and why, one sentence each.

    Every method of a dataset is compared with each of `against`, over the seeds that both have.
    Holm's adjustment is over all tests of one metric in the family, which is one table (our
    choice): a verdict in it is wrong in at most one of twenty tables.
    """
    places = by_place(family)
    tests: dict[str, list[_Test]] = defaultdict(list)
    other_images: dict[tuple[str, str], list[str]] = defaultdict(list)
    for place, other in _couples(list(places), against):
        found = list(_tests(place, other, places[place], places[place._replace(method=other)]))
        for test in found:
            tests[test.metric].append(test)
        if not found:
            other_images[place.method, other].append(place.dataset)
    rows = [
        _row(family.name, test, p_holm)
        for same in tests.values()
        for test, p_holm in zip(same, holm([t.paired.p_value for t in same]), strict=True)
    ]
    remarks = [
        f"{family.title}: {method} and {other} are not compared on {join(sorted(set(datasets)))}: "
        "they have no seed with predictions of the same images in common."
        for (method, other), datasets in other_images.items()
    ]
    return rows, remarks


def _couples(places: Sequence[Place], against: Sequence[str]) -> Iterator[tuple[Place, str]]:
    """Each two methods once."""
    done: set[frozenset[object]] = set()
    known = set(places)
    for other in against:
        for place in places:
            partner = place._replace(method=other)
            couple = frozenset((place, partner))
            if place.method != other and partner in known and couple not in done:
                done.add(couple)
                yield place, other


def _tests(
    place: Place, other: str, mine: dict[int, Result], theirs: dict[int, Result]
) -> Iterator[_Test]:
    seeds = [seed for seed in mine if seed in theirs]
    one, two = [mine[seed] for seed in seeds], [theirs[seed] for seed in seeds]
    if not seeds:
        return
    common = [
        part.half
        for part in one[0].parts
        if part.dataset == place.dataset
        and all(part in result.parts for result in (*one, *two))
        and stacked(place.dataset, part.half, [*one, *two]) is not None
    ]
    rights = {
        half: (stacked(place.dataset, half, one), stacked(place.dataset, half, two))
        for half in common
    }
    for half, couple in rights.items():
        yield _Test(place, other, half or "accuracy", compare_accuracy(*couple))
    for name, (base, new) in HARMONIC.items():
        if base in rights and new in rights:
            (my_base, their_base), (my_new, their_new) = rights[base], rights[new]
            paired = compare_h(my_base, my_new, their_base, their_new)
            yield _Test(place, other, name, paired)


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
