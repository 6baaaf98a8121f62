"""Thresholds do on calibration images what is wanted, and on others what can be promised."""

import re

import numpy as np
import pytest
from scipy.stats import betabinom

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.rejection import RejectionParameters, calibrate, energy, max_softmax
from vlprompt_pipeline.rejection.scores import softmax
from vlprompt_pipeline.rejection.temperature import fit_temperature, negative_log_likelihood

HOW = {"accuracy": 0.9, "coverage": 0.9, "outsiders_refused": 0.8, "images": 1000}


def how(kind: str, **changed: float) -> RejectionParameters:
    return RejectionParameters(kind=kind, **{**HOW, **changed})


def drawn(images: int, seed: int, classes: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Logits of a model that is right in about two of three cases, and surer where it is right."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, classes, images)
    logits = draw.normal(size=(images, classes))
    logits[np.arange(images), labels] += 2 * draw.random(images) + 0.5
    return 3 * logits, labels


def two_classes(*margins: float) -> np.ndarray:
    """Logits whose margin is given; the first class is predicted where it is above zero."""
    return np.array([[margin, 0.0] for margin in margins])


def test_the_lowest_threshold_with_the_wanted_accuracy_is_taken():
    sure, unsure, lost = [5.0] * 18, [2.0] * 4, [1.0] * 8
    logits = two_classes(*sure, *unsure, *lost)
    labels = np.array([0] * 18 + [0, 0, 1, 1] + [1] * 8)
    rejection = calibrate(how("max_softmax"), logits, labels)  # 20 of 22 are right: 91 %
    shares = max_softmax(two_classes(2.0, 1.0))
    assert rejection.threshold == pytest.approx(shares.mean())
    assert rejection.calibration.accepted == pytest.approx(22 / 30)
    assert rejection.calibration.accuracy == pytest.approx(20 / 22)
    assert rejection.calibration.accuracy_of_all == pytest.approx(20 / 30)
    assert rejection.decide(logits).accepted.tolist() == [True] * 22 + [False] * 8
    stricter = calibrate(how("max_softmax", accuracy=0.95), logits, labels)
    assert stricter.calibration.accepted == pytest.approx(18 / 30)


def test_a_model_that_is_right_enough_accepts_all_of_calibration():
    logits, labels = two_classes(*[3.0] * 30), np.zeros(30, int)
    rejection = calibrate(how("energy", accuracy=1.0), logits, labels)
    assert rejection.decide(logits).accepted.all()
    assert not rejection.decide(two_classes(2.9)).accepted.any()


def test_energy_ranks_by_the_sum_of_all_logits():
    assert energy(np.array([[2.0, 1.0], [0.0, 0.0]])) == pytest.approx(
        [np.log(np.exp(2) + np.e), np.log(2)]
    )
    assert np.isfinite(energy(np.array([[1e4, -1e4]]))).all()
    logits, labels = drawn(400, 1)
    rejection = calibrate(how("energy"), logits, labels)
    accepted = energy(logits) >= rejection.threshold
    assert (logits.argmax(-1) == labels)[accepted].mean() >= 0.9


def test_outsiders_raise_the_threshold_as_far_as_it_takes():
    logits, labels = two_classes(*[3.0] * 30), np.zeros(30, int)
    outsiders = two_classes(*np.linspace(1, 3.5, 10))
    rejection = calibrate(how("max_softmax"), logits, labels, outsiders)
    assert rejection.calibration.outsiders == 10
    assert rejection.calibration.outsiders_refused == pytest.approx(0.8)
    lenient = calibrate(how("max_softmax", outsiders_refused=0.1), logits, labels, outsiders)
    assert lenient.threshold == calibrate(how("max_softmax"), logits, labels).threshold
    unsure = two_classes(*[0.5] * 5, *[4.0] * 25)
    rejection = calibrate(how("max_softmax"), unsure, labels, outsiders)
    assert rejection.threshold == np.nextafter(max_softmax(outsiders)[7], 1)


@pytest.mark.parametrize(
    ("margin", "reason"),
    [(3.0, "at best 50% are right, where 17% are accepted"), (6.0, "too few are accepted")],
)
def test_outsiders_that_leave_no_threshold_of_the_wanted_accuracy_are_told(margin, reason):
    logits = two_classes(*[2.0] * 60, *[5.0] * 12)  # 92 % of all are right, half of the surest
    labels = np.array([0] * 66 + [1] * 6)
    assert calibrate(how("max_softmax"), logits, labels).calibration.accuracy > 0.9
    told = rf"refuses 80% .* gives 90% .*{reason}.* or registry\.rejection\.outsiders_refused"
    with pytest.raises(DataError, match=told):
        calibrate(how("max_softmax"), logits, labels, two_classes(*[margin] * 10))


def test_a_threshold_is_told_with_the_temperature_that_it_does_not_have():
    rejection = calibrate(how("max_softmax"), *drawn(60, 1))
    told = (
        rf"threshold 0\.\d+ of max_softmax before the temperature of {rejection.temperature:.3g} "
    )
    assert re.match(told, rejection.sentence())


def test_outsiders_do_not_touch_what_sets_promise():
    logits, labels = drawn(100, 2)
    outsiders, _ = drawn(50, 3)
    with_outsiders = calibrate(how("conformal"), logits, labels, outsiders)
    assert with_outsiders.threshold == calibrate(how("conformal"), logits, labels).threshold
    assert with_outsiders.calibration.outsiders_refused is not None


@pytest.mark.parametrize("images", [49, 200])
def test_conformal_sets_cover_what_they_promise(images):
    """Over 100 calibrations, how many of 500 others are covered is beta-binomial."""
    rank = int(np.ceil((images + 1) * 0.9))
    law = betabinom(500, rank, images + 1 - rank)
    covered = []
    for seed in range(100):
        logits, labels = drawn(images + 500, seed)
        rejection = calibrate(how("conformal"), logits[:images], labels[:images])
        sets = rejection.decide(logits[images:]).sets
        covered.append(int(sets[np.arange(500), labels[images:]].sum()))
    low, high = law.ppf([0.025, 0.975])
    inside = np.mean([low <= count <= high for count in covered])
    assert inside > 0.87  # 95 of 100 are expected, 87 or fewer have a probability of 0.002
    assert np.mean(covered) == pytest.approx(law.mean(), abs=4 * law.std() / np.sqrt(100))


def test_sets_hold_all_labels_where_there_are_too_few_images_for_the_promise():
    logits, labels = drawn(20, 4)
    rejection = calibrate(how("conformal", coverage=0.99), logits, labels)
    assert rejection.threshold == 0
    assert rejection.decide(logits).sets.all()
    just_enough = calibrate(how("conformal", coverage=0.95), logits, labels)
    assert just_enough.threshold == softmax(logits)[np.arange(20), labels].min() > 0


def test_shares_that_are_no_binary_fractions_ask_for_no_image_more():
    assert 100 * 0.55 > 55
    logits, labels = drawn(99, 6)
    right = np.sort(softmax(logits)[np.arange(99), labels])
    assert calibrate(how("conformal", coverage=0.55), logits, labels).threshold == right[99 - 55]
    logits, outsiders = two_classes(*[9.0] * 30, *[0.1] * 30), two_classes(*np.linspace(1, 5, 100))
    few = how("max_softmax", outsiders_refused=0.55)
    rejection = calibrate(few, logits, np.zeros(60, int), outsiders)
    assert rejection.calibration.outsiders_refused == 0.55


def test_an_image_that_is_like_no_class_has_an_empty_set_and_is_none_of_these():
    logits, labels = two_classes(*[6.0] * 40), np.zeros(40, int)
    decision = calibrate(how("conformal"), logits, labels).decide(two_classes(0.1, 6.0))
    assert decision.labels(("cat", "dog")) == ["none", "cat"]
    assert decision.label_sets(("cat", "dog")) == [[], ["cat"]]


def test_too_few_images_and_a_hopeless_model_are_refused_with_advice():
    logits, labels = drawn(19, 5)
    with pytest.raises(DataError, match=r"19 validation images are left .* add photos"):
        calibrate(how("max_softmax"), logits, labels)
    logits, labels = two_classes(*[3.0] * 40), np.array([0, 1] * 20)
    with pytest.raises(
        DataError, match=r"at best 50% are right.*lower registry\.rejection\.accuracy"
    ):
        calibrate(how("max_softmax"), logits, labels)


def test_what_is_wanted_and_what_is_reached_do_not_look_alike():
    logits, labels = two_classes(9.0, *[3.0] * 999), np.array([1, 1, 1] + [0] * 997)
    with pytest.raises(DataError, match=r"gives 99\.9% right .* at best 99\.7% are right"):
        calibrate(how("max_softmax", accuracy=0.999), logits, labels)


def test_one_lucky_image_is_not_enough():
    logits = two_classes(9.0, *[1.0] * 39)
    with pytest.raises(DataError, match="no threshold gives"):
        calibrate(how("max_softmax"), logits, np.array([0] + [0, 1, 1] * 13))


@pytest.mark.parametrize("true", [0.5, 1.0, 3.0])
def test_the_temperature_that_labels_were_drawn_with_is_found(true):
    draw = np.random.default_rng(0)
    logits = 4 * draw.normal(size=(20_000, 5))
    gumbel = draw.gumbel(size=logits.shape)
    labels = (logits / true + gumbel).argmax(-1)  # a draw from the softmax of logits / true
    found = fit_temperature(logits, labels)
    assert found == pytest.approx(true, rel=0.05)
    losses = [negative_log_likelihood(logits, labels, found * step) for step in (0.98, 1.0, 1.02)]
    assert losses[1] == min(losses)
