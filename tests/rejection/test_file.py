"""The file of a rejection: the same decisions after a round trip, a sentence for anything else."""

import json

import numpy as np
import pytest

from vlprompt_pipeline.errors import PromptFileError
from vlprompt_pipeline.rejection import Calibration, Rejection

CALIBRATION = Calibration(images=48, wanted=0.9, accepted=0.8, accuracy=0.9, accuracy_of_all=0.7)
LOGITS = np.array([[2.0, 1.9, 0.0], [4.0, 0.0, 0.0], [0.1, 0.0, 0.2]])
NAMES = ("cat", "dog", "emu")


@pytest.mark.parametrize("kind", ["max_softmax", "energy", "conformal"])
def test_a_round_trip_decides_the_same(tmp_path, kind):
    made = Rejection(kind=kind, threshold=0.4, temperature=2.0, calibration=CALIBRATION)
    (tmp_path / "rejection.json").write_text(made.to_json(), encoding="utf-8")
    read = Rejection.load(tmp_path / "rejection.json")
    assert read == made
    assert read.decide(LOGITS).labels(NAMES) == made.decide(LOGITS).labels(NAMES)


def test_probabilities_have_the_temperature_and_sets_the_threshold():
    made = Rejection(kind="conformal", threshold=0.42, temperature=2.0, calibration=CALIBRATION)
    decision = made.decide(LOGITS)
    powers = np.exp(LOGITS / 2)
    np.testing.assert_allclose(decision.probabilities, powers / powers.sum(-1, keepdims=True))
    assert decision.label_sets(NAMES) == [["cat", "dog"], ["cat"], []]
    assert decision.labels(NAMES) == ["cat", "cat", "none"]
    assert decision.accepted.tolist() == decision.sets.any(-1).tolist()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"kind": "magic"}, "kind: input should be 'max_softmax', 'energy' or 'conformal'"),
        ({"threshold": "NaN"}, "threshold"),
        ({"temperature": 0}, "temperature"),
        ({"format": "other"}, r"format: input should be 'vlprompt_pipeline\.rejection\.1'"),
        ({"more": 1}, "more"),
    ],
)
def test_what_is_no_rejection_is_told(tmp_path, change, reason):
    made = Rejection(kind="energy", threshold=1, temperature=1, calibration=CALIBRATION)
    file = tmp_path / "rejection.json"
    file.write_text(json.dumps({**json.loads(made.to_json()), **change}), encoding="utf-8")
    with pytest.raises(PromptFileError, match=reason):
        Rejection.load(file)


def test_an_absent_or_broken_file_is_told(tmp_path):
    with pytest.raises(PromptFileError, match="no rejection at"):
        Rejection.load(tmp_path / "rejection.json")
    (tmp_path / "rejection.json").write_bytes(b"\xff{")
    with pytest.raises(PromptFileError, match="is no rejection"):
        Rejection.load(tmp_path / "rejection.json")
