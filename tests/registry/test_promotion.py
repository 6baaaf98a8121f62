"""Who becomes champion: by the paired test on the same images, or for a stated reason."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pandas as pd
import pytest

from registry.drafts import open_registry, predictions, publish
from vlprompt_pipeline.errors import ConfigError, UserError
from vlprompt_pipeline.evaluation.metrics import harmonic_mean
from vlprompt_pipeline.parsing import parse
from vlprompt_pipeline.registry.common_images import Contender
from vlprompt_pipeline.registry.config import PromotionParameters
from vlprompt_pipeline.registry.evidence import contest, evidence_of
from vlprompt_pipeline.registry.promotion import guessing, promote, refusal
from vlprompt_pipeline.registry.store import CANDIDATE, CHAMPION
from vlprompt_pipeline.results.remarks import TEXTS_COINCIDE
from vlprompt_pipeline.results.statistics import compare_accuracy, compare_h

BY_TEST = PromotionParameters(level=0.05, force=False, reason=None)
FORCED = PromotionParameters(level=0.05, force=True, reason="shown to the board")


def answers(base: int, new: int | None, of: int = 100) -> dict[str, np.ndarray]:
    """The first so many of each half right."""
    halves = {"base": base} if new is None else {"base": base, "new": new}
    return {half: np.arange(of) < right for half, right in halves.items()}


def table_of(rows: pd.DataFrame) -> pd.DataFrame:
    """The evidence of predictions among two classes."""
    names = dict.fromkeys(("base", "new"), ("tabby", "tiger"))
    return pd.read_parquet(BytesIO(evidence_of(rows, names, {})))


@pytest.fixture
def registry(database):
    return open_registry(database)


@pytest.fixture
def published(registry, tmp_path):
    """A function that makes the next version of a method."""

    def make(method: str, *right: int | None, of: int = 100, **tags: str):
        folder = tmp_path / f"{method}{len(list(tmp_path.iterdir()))}"
        return publish(registry, folder, method, answers(*right, of=of), **tags)

    return make


def test_the_first_champion_has_to_beat_zero_shot(registry, published):
    published("zero_shot", 70, 70)
    first = published("coop", 71, 71)
    (decision,) = promote(registry, "cats", ["coop"], BY_TEST)
    assert not decision.promoted
    assert registry.holder("cats.coop", CHAMPION) is None
    sentence = refusal([decision])
    assert sentence.startswith(
        "not promoted: cats.coop version 1 (no difference shown from cats.zero_shot version 1: "
        "H 71.0 against 70.0: +1.0 (95 % interval"
    )
    better = published("coop", 85, 80)
    (decision,) = promote(registry, "cats", ["coop"], BY_TEST)
    assert decision.promoted
    assert refusal([decision]) == ""
    assert registry.holder("cats.coop", CHAMPION).number == better.number != first.number
    kept = registry.holder("cats.coop", CHAMPION).tags["promotion"]
    assert kept.startswith("better than cats.zero_shot version 1: H 82.4 against 70.0: +12.4")


def test_where_zero_shot_cannot_be_scored_the_most_frequent_class_is_to_be_beaten(
    registry, published
):
    """All test images of these drafts are of one class, which nobody can beat by guessing."""
    with pytest.raises(UserError, match="has to beat zero-shot CLIP"):
        published("linear_probe", 90, None)
        promote(registry, "cats", ["linear_probe"], BY_TEST)
    warning = f"{TEXTS_COINCIDE} 2 of the 2 classes"
    published("tip_adapter", 90, None, warning=warning)
    (decision,) = promote(registry, "cats", ["tip_adapter"], BY_TEST)
    assert not decision.promoted
    assert decision.why.startswith(
        "worse than always answering the most frequent class: accuracy 90.0 against 100.0"
    )


def test_the_most_frequent_class_of_each_half_is_guessed():
    rows = {"half": ["base"] * 4 + ["new"], "truth": [*"abbb", "c"], "right": [True] * 5}
    guessed = guessing(Contender("x", {}, pd.DataFrame(rows))).evidence
    assert guessed["right"].tolist() == [False, True, True, True, True]
    assert guessed["answer"].tolist() == [*"bbbb", "c"]


def test_the_next_one_has_to_beat_the_champion(registry, published):
    champion = published("coop", 90, 90)
    promote(registry, "cats", ["coop"], FORCED)
    published("coop", 60, 95)
    (decision,) = promote(registry, "cats", ["coop"], BY_TEST)
    assert not decision.promoted
    assert decision.why.startswith("worse than cats.coop version 1: H ")
    assert decision.why.endswith(", 1 test")
    assert registry.holder("cats.coop", CHAMPION).number == champion.number
    published("coop", 100, 100)
    assert promote(registry, "cats", ["coop"], BY_TEST)[0].promoted
    assert registry.holder("cats.coop", CHAMPION).number == "3"
    with pytest.raises(UserError, match="version 3 is champion already"):
        promote(registry, "cats", ["coop"], BY_TEST)


def test_an_earlier_version_with_both_aliases_stays_champion(registry, published):
    published("coop", 60, 60)
    promote(registry, "cats", ["coop"], FORCED)
    published("coop", 90, 90)
    assert promote(registry, "cats", ["coop"], BY_TEST)[0].promoted
    for alias in (CANDIDATE, CHAMPION):
        registry.client.set_registered_model_alias("cats.coop", alias, 1)
    with pytest.raises(UserError, match="version 1 is champion already"):
        promote(registry, "cats", ["coop"], BY_TEST)
    registry.client.set_registered_model_alias("cats.coop", CANDIDATE, 2)
    assert promote(registry, "cats", ["coop"], BY_TEST)[0].promoted


def test_force_keeps_its_reason(registry, published):
    published("coop", 10, 10)
    assert promote(registry, "cats", ["coop"], FORCED)[0].promoted
    assert registry.holder("cats.coop", CHAMPION).tags["promotion"] == "forced: shown to the board"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"force": True, "reason": None}, "force needs a reason"),
        ({"force": True, "reason": "  "}, "force needs a reason"),
        ({"force": False, "reason": "why not"}, "a reason is given but force is not"),
    ],
)
def test_force_and_reason_go_together(values, said):
    with pytest.raises(ConfigError, match=said):
        parse(PromotionParameters, {"level": 0.05, **values}, "registry.promote")


def test_tests_of_several_methods_are_corrected_together(registry, published):
    """A p-value between 0.05 / 2 and 0.05 is enough alone, and not beside another."""
    published("zero_shot", 50, None)
    published("coop", 57, None)  # 7 gained, none lost: McNemar 2 / 2^7 = 0.016
    published("maple", 56, None)  # 6 gained: 2 / 2^6 = 0.031
    both = promote(registry, "cats", ["coop", "maple"], BY_TEST)
    assert [decision.promoted for decision in both] == [True, True]
    assert "0.031 for 2 tests (Holm)" in both[0].why

    published("coop", 58, None)
    published("maple", 62, None)
    both = promote(registry, "cats", ["coop", "maple"], BY_TEST)
    assert [decision.promoted for decision in both] == [False, False]  # p = 1 and 2 x 0.031
    assert promote(registry, "cats", ["maple"], BY_TEST)[0].promoted


def test_a_promoted_one_is_named_beside_a_refused_one(registry, published):
    published("zero_shot", 50, None)
    published("coop", 90, None)
    published("maple", 50, None)
    both = promote(registry, "cats", ["coop", "maple"], BY_TEST)
    assert registry.holder("cats.coop", CHAMPION) is not None
    assert registry.holder("cats.maple", CHAMPION) is None
    assert "cats.coop version 1 became champion" in refusal(both)


def test_what_cannot_be_compared_is_refused(registry, published):
    published("zero_shot", 50, 50)
    registry.uri = "https://me:secret@host"
    said = r"cats\.coop has no candidate in MLflow at https://me:…@host: register it first with"
    with pytest.raises(UserError, match=said):
        promote(registry, "cats", ["coop"], BY_TEST)
    with pytest.raises(UserError, match="zero_shot has no champion to beat.*name those in "):
        promote(registry, "cats", ["zero_shot"], BY_TEST)
    published("coop", 90, 90, split_sha256="another")
    with pytest.raises(UserError, match="no version for the same task is registered"):
        promote(registry, "cats", ["coop"], BY_TEST)
    promote(registry, "cats", ["coop"], FORCED)
    published("coop", 90, 90, of=101, protocol="few_shot")
    with pytest.raises(UserError, match="protocol is few_shot for cats.coop version 2"):
        promote(registry, "cats", ["coop"], BY_TEST)
    assert registry.holder("cats.coop", CHAMPION).number == "1"
    assert registry.holder("cats.coop", CANDIDATE).number == "2"


def test_methods_that_nobody_named_are_left_out_where_they_have_nothing(
    registry, published, caplog
):
    asked = ["zero_shot", "coop", "maple", "qcoop"]
    with pytest.raises(UserError, match=r"cats\.zero_shot has no candidate.*; cats\.coop has no "):
        promote(registry, "cats", asked, BY_TEST, named=False)
    published("zero_shot", 50, 50)
    published("coop", 90, 90)
    promote(registry, "cats", ["coop"], BY_TEST)
    published("maple", 90, 90)
    with caplog.at_level("INFO", "vlprompt_pipeline"):
        (decision,) = promote(registry, "cats", asked, BY_TEST, named=False)
    assert str(decision.candidate) == "cats.maple version 1"
    assert "1 test" in decision.why
    assert [message.split(" has")[0].split(" is")[0] for message in caplog.messages] == [
        "left out: cats.zero_shot",
        "left out: cats.coop version 1",
        "left out: cats.qcoop",
    ]
    forced = promote(registry, "cats", asked, FORCED, named=False)
    assert [str(each.candidate) for each in forced] == ["cats.zero_shot version 1"]


def test_a_contest_is_the_paired_test_of_the_metric():
    draws = np.random.default_rng(0)
    one, other = ({h: draws.random(200) < p for h in ("base", "new")} for p in (0.8, 0.7))

    def contender(right: dict) -> Contender:
        # the order of the rows of an evaluation does not matter
        rows = predictions(right).sample(frac=1, random_state=1)
        return Contender("x", {}, table_of(rows))

    found = contest(contender(one), contender(other))
    assert found.metric == "H"
    assert found.paired == compare_h(one["base"], one["new"], other["base"], other["new"])
    expected = [harmonic_mean(100 * r["base"].mean(), 100 * r["new"].mean()) for r in (one, other)]
    assert found.scores == pytest.approx(expected)
    bound = {"base": one["base"]}  # against a method that has new classes, too
    found = contest(contender(bound), contender(other))
    assert found.metric == "accuracy"
    assert found.paired == compare_accuracy(one["base"], other["base"])


def test_evidence_names_no_file_and_leaves_other_rows_out():
    rows = predictions({"base": [True, False], "new": [True], "generalised_base": [True]})
    table = table_of(rows)
    columns = ["half", "image", "content", "label", "truth", "answer", "right"]
    assert list(table.columns) == columns
    assert table["half"].tolist() == ["base", "base", "new"]
    assert not table["image"].str.contains("jpg|/").any()
