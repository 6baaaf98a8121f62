"""Any accuracy may be asked for: the lowest threshold that has it is taken, or it is refused."""

import numpy as np
import pytest

from rejection.test_calibration import drawn, how, two_classes
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.rejection import (
    Calibration,
    OperatingPoint,
    Rejection,
    calibrate,
    max_softmax,
    rejection_for_accuracy,
)
from vlprompt_pipeline.rejection.operating_points import operating_points

# 12 of 12 are right at a score of 5, then 18 of 20, 27 of 30 and 30 of 40
SCORES = np.repeat([5.0, 4.0, 3.0, 2.0], [12, 8, 10, 10])
RIGHT = np.array([1] * 12 + [1] * 6 + [0] * 2 + [1] * 9 + [0] + [1] * 3 + [0] * 7, bool)


def told(points) -> list[tuple[float, float, float]]:
    return [(point.accuracy, point.threshold, point.accepted) for point in points]


def rejecting(points=(), kind: str = "max_softmax") -> Rejection:
    of = Calibration(images=40, wanted=0.9, accepted=0.75, accuracy=0.9, accuracy_of_all=0.75)
    return Rejection(
        kind=kind, threshold=2.5, temperature=1.5, calibration=of, operating_points=points
    )


def test_each_accuracy_has_its_lowest_threshold():
    order = np.random.default_rng(0).permutation(40)
    points = operating_points(SCORES[order], RIGHT[order])
    # 0.9 is reached at a threshold of 3.5, too, which accepts fewer
    assert told(points) == [(0.75, 2.0, 1.0), (0.9, 2.5, 0.75), (1.0, 4.5, 0.3)]


def test_a_few_lucky_images_are_no_point():
    points = operating_points(SCORES[3:], RIGHT[3:])  # 9 of 9, 15 of 17, 24 of 27, 27 of 37
    assert told(points) == [
        (27 / 37, 2.0, 1.0),
        (24 / 27, 2.5, 27 / 37),
    ]


def test_outsiders_set_a_lowest_threshold():
    outsiders = np.array([1.0, 3.6, 4.2, 6.0])
    points = operating_points(SCORES, RIGHT, outsiders, lowest=3.7)
    assert told(points) == [(0.9, 3.7, 0.5), (1.0, 4.5, 0.3)]
    assert [point.outsiders_refused for point in points] == [0.5, 0.75]
    assert told(operating_points(SCORES, RIGHT, outsiders, lowest=3.4))[0] == (0.9, 3.5, 0.5)
    assert told(operating_points(SCORES, RIGHT, outsiders, lowest=4.0))[0] == (0.9, 4.0, 0.5)
    assert operating_points(SCORES, RIGHT, outsiders, lowest=6.1) == ()


@pytest.mark.parametrize(
    ("wanted", "threshold", "accepted"),
    [(0.01, 2.0, 1.0), (0.75, 2.0, 1.0), (0.76, 2.5, 0.75), (0.9, 2.5, 0.75), (0.901, 4.5, 0.3)],
)
def test_any_accuracy_between_takes_the_next_point(wanted, threshold, accepted):
    chosen = rejecting(operating_points(SCORES, RIGHT)).for_accuracy(wanted)
    assert (chosen.threshold, chosen.calibration.accepted) == (threshold, accepted)
    assert chosen.calibration.wanted == wanted
    assert chosen.calibration.accuracy >= wanted
    assert chosen.temperature == 1.5


def test_the_point_decides_on_images():
    logits = two_classes(4.0, 2.0, 1.0)
    high, low = (float(max_softmax(logits)[i : i + 2].mean()) for i in (0, 1))
    points = [(0.8, low), (0.95, high)]
    rejection = rejecting(
        [OperatingPoint(accuracy=a, threshold=t, accepted=0.5) for a, t in points]
    )
    assert rejection.for_accuracy(0.8).decide(logits).accepted.tolist() == [True, True, False]
    assert rejection.for_accuracy(0.81).decide(logits).accepted.tolist() == [True, False, False]


def test_what_no_threshold_reaches_is_refused_with_the_best():
    rejection = rejecting(operating_points(SCORES[3:], RIGHT[3:]))
    with pytest.raises(ConfigError, match=r"no threshold gives 0\.95 .* at best 0\.8889 are right"):
        rejection.for_accuracy(0.95)


def test_a_file_of_before_has_the_one_threshold_it_was_chosen_for():
    old = Rejection.model_validate(rejecting().model_dump(exclude={"operating_points"}))
    assert old.for_accuracy(0.9) == old.for_accuracy(0.8) == old
    with pytest.raises(ConfigError, match=r"chosen for 0\.9, by max_softmax.* register it again"):
        old.for_accuracy(0.95)
    with pytest.raises(ConfigError, match=r"by conformal sets, .* leave the accuracy out"):
        rejecting(kind="conformal").for_accuracy(0.9)


@pytest.mark.parametrize("wanted", [0, 1.01, float("nan")])
def test_a_share_that_cannot_be_is_refused(wanted):
    with pytest.raises(ConfigError, match="above 0 and at most 1"):
        rejection_for_accuracy(rejecting(), wanted, "pets")


def test_the_name_of_the_model_stands_in_a_refusal():
    with pytest.raises(ConfigError, match="pets names a class for every photo: register it again"):
        rejection_for_accuracy(None, 0.9, "pets")
    with pytest.raises(ConfigError, match="pets: the model says none by a threshold"):
        rejection_for_accuracy(rejecting(), 0.99, "pets")


@pytest.mark.parametrize("kind", ["max_softmax", "energy"])
@pytest.mark.parametrize("with_outsiders", [False, True])
def test_asked_later_is_as_calibrated_for_it(kind, with_outsiders):
    """And no lower threshold would do, by trying all of them."""
    logits, labels = drawn(60, 3)
    outsiders = drawn(30, 4)[0] if with_outsiders else None
    made = calibrate(how(kind, accuracy=0.7, outsiders_refused=0.3), logits, labels, outsiders)
    right = logits.argmax(-1) == labels
    for wanted in (0.3, 0.72, 0.8, 0.85):
        later = made.for_accuracy(wanted)
        direct = calibrate(
            how(kind, accuracy=wanted, outsiders_refused=0.3), logits, labels, outsiders
        )
        assert later == direct
        accepted = later.decide(logits).accepted
        assert right[accepted].mean() == later.calibration.accuracy >= wanted
        assert accepted.mean() == later.calibration.accepted
        for more in range(accepted.sum() + 1, 61):  # the images that a lower threshold accepts
            lower = _best(made, logits, more)
            refuses_enough = outsiders is None or (
                (~_at_least(made, logits, more, outsiders)).mean() >= 0.3
            )
            assert right[lower].mean() < wanted or not refuses_enough


def _scores(rejection: Rejection, logits: np.ndarray) -> np.ndarray:
    from vlprompt_pipeline.rejection import KINDS

    return KINDS[rejection.kind].score(logits)


def _best(rejection: Rejection, logits: np.ndarray, count: int) -> np.ndarray:
    return np.argsort(-_scores(rejection, logits))[:count]


def _at_least(rejection, logits, count, outsiders) -> np.ndarray:
    """Which outsiders score as much as the last of the best images."""
    last = np.sort(_scores(rejection, logits))[::-1][count - 1]
    return _scores(rejection, outsiders) >= last


def test_what_is_calibrated_without_sets_has_points_and_sets_have_none():
    logits, labels = drawn(60, 3)
    assert calibrate(how("max_softmax", accuracy=0.5), logits, labels).operating_points
    assert calibrate(how("conformal"), logits, labels).operating_points == ()


def test_a_threshold_between_neighbouring_floats_refuses_the_lower_one():
    for steps in range(1, 9):
        scores = np.repeat([1 - steps * 2.0**-53, 1 - (steps + 1) * 2.0**-53], 20)
        for point in operating_points(scores, np.repeat([True, False], 20)):
            assert np.mean(scores >= point.threshold) == point.accepted
