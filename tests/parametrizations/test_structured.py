"""Codebooks on matrices with outlier columns of the place and size of real CLIP features."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from vlprompt_pipeline.export.packed import PackedPrompt, pack, unpack
from vlprompt_pipeline.export.tensors import StructuredTensor
from vlprompt_pipeline.parametrizations import QuantizeConfig, make_quantizer
from vlprompt_pipeline.parametrizations.scaled import fit_scaled
from vlprompt_pipeline.parametrizations.structured import (
    StructuredQuantizer,
    outlier_columns,
    warn_of_outliers,
)

CLASSES, WIDTH, OUTLIERS = 20, 256, (93, 133)


def planted(spread: float = 0.02, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Class features, image features and labels: 0.55 in single columns against 0.044 in others."""
    generator = torch.Generator().manual_seed(seed)
    texts = 0.044 * torch.randn(CLASSES, WIDTH, generator=generator)
    texts[:, OUTLIERS] = 0.55 + spread * torch.randn(CLASSES, 2, generator=generator)
    labels = torch.arange(CLASSES).repeat(20)
    noise = 0.11 * torch.randn(len(labels), WIDTH, generator=generator)
    images = texts[labels] + noise
    images[:, OUTLIERS] = 0.3
    return texts, F.normalize(images, dim=-1), labels


def accuracy(weight: Tensor, images: Tensor, labels: Tensor) -> float:
    return 100 * ((images @ weight.T).argmax(-1) == labels).float().mean().item()


def shown(weight: Tensor, **settings) -> Tensor:
    config = QuantizeConfig(bits=1, **settings)
    return make_quantizer(config, weight.shape, torch.Generator()).eval()(weight)


def test_one_exact_codebook_is_lost_on_outliers_and_the_others_are_not():
    texts, images, labels = planted()
    full = accuracy(texts, images, labels)
    assert full > 90
    exact = shown(texts, codebook="tensor")
    local = shown(texts, codebook="tensor", quantizer="lloyd_max")
    assert accuracy(exact, images, labels) < 20, "the second entry is spent on the outliers"
    assert (exact - texts).square().sum() <= (local - texts).square().sum()
    for settings in (
        {"outliers": "keep"},
        {"codebook": "scaled"},
        {"codebook": "scaled", "centre": True},
        {"codebook": "tensor", "centre": True},
        {},
    ):
        assert accuracy(shown(texts, **settings), images, labels) > full - 15, settings


def test_a_prompt_of_initial_words_keeps_its_two_columns():
    words = 0.01 * torch.randn(4, 512, generator=torch.Generator().manual_seed(1))
    words[:, OUTLIERS] = torch.tensor([-0.5, 0.3])
    assert outlier_columns(words).nonzero()[:, 0].tolist() == list(OUTLIERS)
    plain, kept = shown(words, codebook="tensor"), shown(words, outliers="keep")
    assert torch.equal(kept, shown(words)), "which is what the rule does by itself"
    rest = [column for column in range(512) if column not in OUTLIERS]
    assert torch.equal(kept[:, OUTLIERS], words[:, OUTLIERS].half().float())
    signs = {len(each[:, rest].unique()) for each in (plain, kept)}
    assert signs == {1, 2}, "one sign is all that the plain codebook leaves of the others"
    assert (kept - words)[:, rest].square().mean() < 0.5 * words[:, rest].square().mean()


def test_normal_values_have_no_outliers_and_a_row_never_has():
    for seed in range(20):
        words = torch.randn(4, 512, generator=torch.Generator().manual_seed(seed))
        assert not outlier_columns(words).any()
    assert not outlier_columns(torch.tensor([[1.0, 1.0, 100.0]])).any()
    for size, is_one in ((5.9, False), (6.1, True)):  # six times the median
        rows = torch.tensor([[1.0, -1.0, 1.0, size]] * 2)
        assert outlier_columns(rows).tolist() == [False, False, False, is_one]


def test_outliers_are_warned_of_where_they_do_harm(caplog):
    texts, _, _ = planted()
    warn_of_outliers("context", texts, QuantizeConfig(bits=2, outliers="keep"))
    warn_of_outliers("context", texts, QuantizeConfig(bits=2, codebook="scaled"))
    assert not caplog.text
    with caplog.at_level(logging.WARNING):
        warn_of_outliers("context", texts, QuantizeConfig(bits=2, codebook="tensor"))
    assert "context has outlier columns (93, 133)" in caplog.text
    assert "set quantize.outliers to keep" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        warn_of_outliers("context", texts[:4], QuantizeConfig(bits=2))
        warn_of_outliers("weight", texts, QuantizeConfig(bits=2))
        warn_of_outliers("plain", torch.randn(4, 512), QuantizeConfig(bits=2))
    assert "they stay in half precision" in caplog.text
    assert "values get scales of rows and columns" in caplog.text
    assert "plain" not in caplog.text


def test_zeros_stay_zeros_in_units_of_rows_and_columns():
    assert not fit_scaled(np.zeros((3, 4)), 2).decode().any()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"codebook": "row", "outliers": "keep"}, "outliers: keep and centre go with codebook"),
        ({"codebook": "group", "group_size": 4, "centre": True}, "outliers: keep and centre go"),
        ({"codebook": "tensor", "moment": "few_shot"}, "moment: few_shot goes with codebook"),
        ({"outliers": "keep", "moment": "few_shot"}, "codes for all columns: leave outliers away"),
        ({"quantizer": "uniform", "moment": "few_shot"}, "leave quantizer away"),
        ({"codebook": "scaled", "quantizer": "stochastic"}, "stochastic has one plain codebook"),
    ],
)
def test_what_does_not_go_together(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        QuantizeConfig(bits=1, **settings)


def test_a_classifier_has_scales_unless_its_quantizer_has_none():
    plain, centred = QuantizeConfig(bits=1), QuantizeConfig(bits=1, centre=True)
    chosen = [each.of_classifier(free) for each in (plain, centred) for free in (False, True)]
    assert [config.codebook for config in chosen] == ["scaled"] * 4
    assert [config.centre for config in chosen] == [False, True, True, True]
    noise = QuantizeConfig(bits=1, quantizer="gaussian")
    assert noise.of_classifier(mean_free=True) == noise
    for config, shape in ((noise, (4, 8)), (plain, (8,)), (chosen[0], (8,))):
        made = make_quantizer(config, shape, torch.Generator())
        assert not isinstance(made, StructuredQuantizer)


@pytest.mark.parametrize("rows", [4, 15, 16, 20])
def test_the_rule_goes_by_the_values(rows):
    texts = planted()[0][:rows]
    expected = {"codebook": "scaled"} if rows >= 16 else {"outliers": "keep"}
    assert torch.equal(shown(texts), shown(texts, **expected))
    plain = torch.randn(rows, 64, generator=torch.Generator().manual_seed(rows))
    config = QuantizeConfig(bits=2)
    made = make_quantizer(config, plain.shape, torch.Generator()).eval()
    one = make_quantizer(QuantizeConfig(bits=2, codebook="tensor"), plain.shape, torch.Generator())
    assert torch.equal(made(plain), one.eval()(plain)), "without outliers one codebook serves all"
    assert made.is_plain_for(plain)
    for ours, theirs in zip(made.encode(plain), one.encode(plain), strict=True):
        assert torch.equal(ours, theirs)


def test_a_second_clustering_leaves_nothing_of_the_scales_and_columns_of_the_first():
    texts = planted()[0]
    plain = torch.randn(texts.shape, generator=torch.Generator().manual_seed(1))
    for before, weight in ((texts, plain), (plain, texts)):
        fresh, again = (
            make_quantizer(QuantizeConfig(bits=1), texts.shape, torch.Generator()) for _ in range(2)
        )
        again.initialise(before)
        assert again.is_plain_for(before) == (before is plain)
        for quantizer in (fresh, again):
            quantizer.initialise(weight)
        for alone, second in zip(fresh.parts(weight), again.parts(weight), strict=True):
            assert torch.equal(alone, second)


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize(
    "settings",
    [{"codebook": "scaled"}, {"outliers": "keep"}, {"codebook": "scaled", "outliers": "keep"}],
    ids=str,
)
def test_what_is_shown_is_what_the_file_gives_back(bits, settings):
    texts, _, _ = planted()
    weight = texts[:6].view(2, 3, WIDTH)
    config = QuantizeConfig(bits=bits, **settings)
    quantizer = make_quantizer(config, weight.shape, torch.Generator()).eval()
    seen = quantizer(weight)
    parts = (part.numpy() for part in quantizer.parts(weight))
    stored = StructuredTensor(tuple(weight.shape), *parts)
    data = pack(PackedPrompt("m", {"t": stored}, "0" * 64, "0" * 64))
    coded = stored.stored_indices[1]
    assert data[3] == (0x12 if coded else 0x11), "the version that brought the encoding"
    read = unpack(data).tensors["t"]
    assert np.array_equal(read.decode(), seen.numpy())
    assert pack(PackedPrompt("m", {"t": read}, "0" * 64, "0" * 64)) == data


def test_the_state_is_restored():
    texts, _, _ = planted()
    config = QuantizeConfig(bits=2, codebook="scaled", outliers="keep")
    one, other = (make_quantizer(config, texts.shape, torch.Generator()).eval() for _ in range(2))
    seen = one(texts)
    other.load_state_dict(one.state_dict())
    assert torch.equal(other(texts), seen)


class TestScaled:
    def test_one_bit_of_a_product_of_scales_is_exact(self):
        rows, columns = np.array([1.0, 2.0, 4.0]), np.array([0.5, 1.0, 8.0, 2.0])
        signs = np.array([[1, -1, 1, 1], [-1, 1, 1, -1], [1, 1, -1, -1]])
        weight = signs * rows[:, None] * columns
        assert fit_scaled(weight, 1).decode() == pytest.approx(weight, rel=2e-3)

    @pytest.mark.parametrize("unit", [1e-9, 1e-6, 1e6, 1e9])
    def test_the_unit_of_the_weights_does_not_matter(self, unit):
        weight = np.random.default_rng(0).normal(size=(20, 64))
        expected = fit_scaled(weight, 2).decode()
        assert fit_scaled(unit * weight, 2).decode() / unit == pytest.approx(expected, abs=4e-3)

    @pytest.mark.filterwarnings("error::RuntimeWarning")
    @pytest.mark.parametrize("seed", [9, 80, 222, 283])
    def test_few_rows_do_not_drive_the_scales_out_of_half_precision(self, seed):
        generator = np.random.default_rng(seed)
        weight = generator.normal(size=(3, 16)) * np.exp(1.5 * generator.normal(size=16))
        weight -= weight.mean(0)
        error = np.square(fit_scaled(weight, 1).decode() - weight).mean()
        assert error < 0.1 * np.square(weight).mean()

    def test_a_moment_lowers_the_error_of_products(self):
        texts, images, _ = planted()
        weight, features = (texts - texts.mean(0)).double().numpy(), images.double().numpy()
        moment = features.T @ features / len(features)
        plain, better = fit_scaled(weight, 1), fit_scaled(weight, 1, moment)

        def error(codes) -> float:
            return float(np.square((codes.decode() - weight) @ features.T).mean())

        assert error(better) < 0.55 * error(plain)  # half: codes, scales, and codes again

    def test_rows_and_columns_of_zeros_are_shown_as_they_are_whatever_meets_them(self):
        """Their entries are zero, so that every scale of them is as good."""
        weight = np.array([[1.0, 0, -1, 0], [0, 0, 1, 1], [1, 0, 0, -1], [0, 0, 0, 0]])
        for moment in (None, np.eye(4), np.ones((4, 4))):
            assert fit_scaled(weight, 2, moment).decode() == pytest.approx(weight, abs=2e-3)
