"""Say "none of these" where a classifier should: calibrated thresholds, and sets of labels.

Everything here is NumPy on logits, so that it works beside any way to compute them.
"""

from vlprompt_pipeline.rejection.calibration import FEWEST, RejectionParameters, calibrate
from vlprompt_pipeline.rejection.curves import auroc, false_positive_rate, risk_coverage
from vlprompt_pipeline.rejection.operating_points import OperatingPoint
from vlprompt_pipeline.rejection.rejection import (
    NONE,
    Calibration,
    Decision,
    Rejection,
    rejection_for_accuracy,
)
from vlprompt_pipeline.rejection.scores import KINDS, energy, max_softmax, softmax
from vlprompt_pipeline.rejection.temperature import fit_temperature

__all__ = [
    "FEWEST",
    "KINDS",
    "NONE",
    "Calibration",
    "Decision",
    "OperatingPoint",
    "Rejection",
    "RejectionParameters",
    "auroc",
    "calibrate",
    "energy",
    "false_positive_rate",
    "fit_temperature",
    "max_softmax",
    "rejection_for_accuracy",
    "risk_coverage",
    "softmax",
]
