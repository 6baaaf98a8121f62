"""ZERO: votes as the official code counts them, and how predictions follow from votes."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from learners import CLASSES, RECIPES, unit_vectors
from parity import load_case, parity_clip
from vlprompt_pipeline.clip import AugmentedViews, EvaluationView, TrainingViews
from vlprompt_pipeline.evaluation.predict import predict_by_vote
from vlprompt_pipeline.images import ImageBytes
from vlprompt_pipeline.methods import ClassTexts, build_plain, resolve_recipe, stored_recipe
from vlprompt_pipeline.methods.zero import ZeroConfig, votes


def slow_votes(logits: list[list[float]], voters: int) -> list[int]:
    """One image, view by view: `logits` by view and class."""

    def entropy(row: list[float]) -> float:
        total = sum(math.exp(each - max(row)) for each in row)
        shares = [math.exp(each - max(row)) / total for each in row]
        return -sum(p * math.log(p) for p in shares if p > 0)

    order = sorted(range(len(logits)), key=lambda view: entropy(logits[view]))
    first = [row.index(max(row)) for row in logits]
    counts = [0] * len(logits[0])
    for view in order[:voters]:
        counts[first[view]] += 1
    tied = [c for c, count in enumerate(counts) if count == max(counts)]
    if len(tied) > 1:
        for view in order[voters:]:
            if first[view] in tied:
                counts[first[view]] += 1
                break
    return counts


@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
def test_votes_are_those_of_the_official_code(precision):
    case = load_case("zero-64-views")
    clip = parity_clip("float64")
    views = F.normalize(case("view_features").to(precision), dim=-1)
    texts = case("float64/text_features").to(precision)
    given = clip.encode_texts(case.about["prompts"])
    torch.testing.assert_close(given, case("float64/text_features"), rtol=0, atol=1e-9)
    settings = ZeroConfig()
    assert settings.voters == case.about["settings"]["kept_views"]
    counted = votes(clip.logit_scale * views @ texts.T, settings.voters)
    assert counted.tolist() == case("float64/votes").tolist()
    assert counted.argmax(-1).tolist() == case("predictions").tolist()
    fewer = votes(clip.logit_scale * views @ texts.T, 20)
    assert fewer.tolist() != counted.tolist(), "the case tells 19 voters from 20"


@pytest.mark.parametrize(("views", "keep", "voters"), [(7, 0.5, 3), (3, 0.1, 1), (64, 0.3, 19)])
def test_the_share_of_voters_is_rounded_down_to_one_at_least(views, keep, voters):
    assert ZeroConfig(views=views, keep=keep).voters == voters


def test_votes_and_ties_one_by_one():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(300, 9, 4, generator=generator, dtype=torch.float64)
    counted = votes(logits, 4)
    expected = [slow_votes(image, 4) for image in logits.tolist()]
    assert counted.tolist() == expected
    assert any(sum(row) == 5 for row in expected), "some tie was decided by a view without a vote"
    assert votes(logits, 9).sum(-1).eq(9).all(), "where every view votes, none is left to decide"


@pytest.mark.parametrize("voters", [3, 8])
def test_predictions_are_shares_of_votes_among_the_classes_of_each_set(tiny_clip, voters):
    """Of classes that stay tied, as they may where every view votes, the first is predicted."""
    names = tuple(f"{size} {name}" for size in ("small", "big") for name in CLASSES.names)
    classes = ClassTexts((*names, "moon"), CLASSES.template)
    learner = build_plain(resolve_recipe("zero", RECIPES), tiny_clip, classes)
    views = unit_vectors(12, 8, tiny_clip.embed_dim)
    labels = torch.arange(4).repeat(3)
    both, some = predict_by_vote(learner, views, labels, [range(7), (1, 3)], voters)
    logits = torch.stack([learner.logits(image) for image in views])
    for number, row in both.iterrows():
        counts = slow_votes(logits[number].tolist(), voters)
        assert row["probability"] == pytest.approx(max(counts) / sum(counts))
        assert row["prediction"] == counts.index(max(counts))
    assert list(some.index) == [1, 3, 5, 7, 9, 11]
    for number, row in some.iterrows():
        counts = slow_votes(logits[number][:, [1, 3]].tolist(), voters)
        assert row["prediction"] == counts.index(max(counts))


def test_the_title_of_such_a_recipe_says_so():
    mine = {**RECIPES, "mine": {"extends": "coop", "title": "CoOp, voting", "test_time": {}}}
    assert resolve_recipe("zero", RECIPES).title == "ZERO (test-time)"
    found = resolve_recipe("mine", mine)
    assert (found.title, found.views) == ("CoOp, voting (test-time)", 64)
    stored = stored_recipe(found.model_dump(mode="json"))
    assert stored.title == found.title, "read again it says so once"
    off = {**mine, "off": {"extends": "mine", "test_time": None, "title": "CoOp"}}
    assert resolve_recipe("off", off).title == "CoOp"


def test_the_plain_view_comes_first_then_crops_of_their_own(tiny_clip, tmp_path):
    from PIL import Image

    noise = torch.randint(0, 256, (40, 60, 3), generator=torch.Generator().manual_seed(0))
    Image.fromarray(noise.byte().numpy()).save(tmp_path / "noise.png")
    plain = EvaluationView(tiny_clip.preprocessing)
    crops = TrainingViews(tiny_clip.preprocessing, seed=1, count=3, crop_scale=(0.08, 1.0))
    views = AugmentedViews(plain, crops)
    read = views.pixels(ImageBytes(tmp_path / "noise.png"), "a")
    assert views.count == len(read) == 4
    assert torch.equal(read[:1], plain.pixels(tmp_path / "noise.png", "a"))
    assert torch.equal(read[1:], crops.pixels(tmp_path / "noise.png", "a"))
    other = AugmentedViews(plain, TrainingViews(tiny_clip.preprocessing, 2, 3, (0.08, 1.0)))
    assert other.identity != views.identity
