"""One verdict, in the same words in the terminal, on the page and with a registered version."""

from __future__ import annotations

import numpy as np
import pytest

from reports.test_page import embedded
from results.made import Disk, right
from vlprompt_pipeline.registry.description import describe
from vlprompt_pipeline.reports.layout import text_tables
from vlprompt_pipeline.reports.page import render
from vlprompt_pipeline.reports.terminal import to_text
from vlprompt_pipeline.results.records import CellRecord
from vlprompt_pipeline.results.verdicts import verdicts_of

IMAGES = 200
PLACE = "demo/demo_aerial/few_shot/shots16/seed1/coop"


def on_disk(gained: int, seeds: tuple[int, ...]) -> Disk:
    """CoOp predicts `gained` images correctly that zero-shot does not, and loses ten others.

    A third method makes a second test, so that the correction is by two.
    """
    disk = Disk()
    for seed in seeds:
        zero_shot = right(0.5)
        coop = zero_shot.copy()
        coop[np.flatnonzero(~zero_shot)[:gained]] = True
        coop[np.flatnonzero(zero_shot)[:10]] = False
        for method, correct in (("zero_shot", zero_shot), ("coop", coop), ("qcoop", zero_shot)):
            disk.add(method, {"base": correct}, seed=seed)
    return disk


def p_of(gained: int, seeds: int) -> float:
    """Of one seed the exact binomial test, of several the bootstrap, drawn image by image."""
    if seeds == 1:
        from math import comb

        n, fewer = gained + 10, min(gained, 10)
        return min(1.0, 2 * sum(comb(n, k) for k in range(fewer + 1)) / 2**n)
    difference = np.zeros(IMAGES)
    difference[:gained], difference[gained : gained + 10] = 1, -1
    draw = np.random.default_rng(5)
    drawn = difference[draw.integers(IMAGES, size=(20_000, IMAGES))].mean(1)
    observed = difference.mean()
    return (1 + np.sum(np.abs(drawn - observed) >= abs(observed) - 1e-12)) / (len(drawn) + 1)


@pytest.mark.parametrize(
    ("gained", "seeds", "verdict"),
    [
        (40, (1, 2, 3), "better"),
        (19, (1, 2, 3), "no difference shown"),
        (24, (1,), "better"),
    ],
    ids=["shown", "not shown", "one seed"],
)
def test_the_words_are_the_same_everywhere(gained, seeds, verdict, version_of):
    disk = on_disk(gained, seeds)
    comparison = disk.compare()
    test = comparison.pairs[comparison.pairs["method"] == "coop"].iloc[0]
    expected = p_of(gained, len(seeds))
    assert test["p_value"] == pytest.approx(expected, abs=0.01 if len(seeds) > 1 else 1e-9)
    corrected = min(1.0, 2 * test["p_value"])  # Holm: the smaller of two
    p = "p < 0.001" if corrected < 0.001 else f"p = {corrected:.3f}"
    about = "2 tests" if len(seeds) > 1 else "2 tests, only seed 1"
    words = f"{verdict}, {p} ({about})"

    text = " ".join(to_text(comparison, text_tables(comparison)).split())
    assert words in text
    (family,) = embedded(render(comparison))["families"]
    assert family["verdicts"]["16"]["coop"] == words
    record = CellRecord.model_validate(disk.records[PLACE])
    sentence = verdicts_of(comparison, record)["coop"]
    assert f"CoOp against Zero-shot CLIP in accuracy on demo_aerial: {words};" in sentence
    assert words in version_of(record, sentence)


@pytest.fixture
def version_of():
    """The page of a version in MLflow, of a record."""
    from types import SimpleNamespace

    def page(record: CellRecord, verdict: str) -> str:
        card = SimpleNamespace(
            class_names=record.classes.base,
            resolved_recipe=lambda: SimpleNamespace(bound_to_classes=False),
        )
        contents = SimpleNamespace(
            record=record,
            result=record.methods[0],
            classifier=SimpleNamespace(card=card, rejection=None),
            name="demo_aerial.coop",
        )
        return describe(contents, (), verdict, 1)

    return page


def test_a_version_on_targets_has_the_verdict_on_their_average():
    disk = Disk()
    for method, share in (("zero_shot", 0.4), ("coop", 0.7)):
        targets = {"demo_flags": right(share), "demo_glyphs": right(0.5)}
        place = disk.add(method, {"base": right(0.7)}, protocol="cross_dataset", targets=targets)
    record = CellRecord.model_validate(disk.records[place])
    sentence = verdicts_of(disk.compare(), record)["coop"]
    assert sentence.startswith("CoOp against Zero-shot CLIP in accuracy on average: better, p ")


def test_a_version_has_the_verdict_of_the_table_that_its_record_stands_in():
    """The same dataset with another split is a table of its own, where CoOp is worse."""
    disk, places = Disk(), {}
    for split, share in (("b", 0.9), ("f", 0.2)):
        for method, correct in (("zero_shot", 0.5), ("coop", share)):
            seed = 1 if split == "b" else 2
            halves = {"base": right(correct)}
            places[split] = disk.add(method, halves, seed=seed, split_sha256=split * 64)
    comparison = disk.compare()
    for split, said in (("b", "better, p < 0.001"), ("f", "worse, p < 0.001")):
        record = CellRecord.model_validate(disk.records[places[split]])
        assert said in verdicts_of(comparison, record)["coop"]


def test_a_version_has_the_verdict_of_its_shots():
    disk = Disk()
    for shots, share in ((1, 0.2), (4, 0.9), (16, 0.2)):
        for method, correct in (("zero_shot", 0.5), ("coop", share)):
            disk.add(method, {"base": right(correct)}, shots=shots)
    record = CellRecord.model_validate(disk.records["demo/demo_aerial/few_shot/shots4/seed1/coop"])
    assert "better, p < 0.001" in verdicts_of(disk.compare(), record)["coop"]


def test_what_cannot_be_tested_has_no_verdict():
    disk = on_disk(20, (1,))
    disk.predictions.clear()
    record = CellRecord.model_validate(disk.records[PLACE])
    assert verdicts_of(disk.compare(), record) == {}
