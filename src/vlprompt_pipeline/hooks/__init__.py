"""What listens to a run: checks, MLflow, a line a step, records of how, the summary, errors."""

from vlprompt_pipeline.hooks.errors import ErrorHook
from vlprompt_pipeline.hooks.parameters import ParameterHook
from vlprompt_pipeline.hooks.reproducibility import ReproducibilityHook
from vlprompt_pipeline.hooks.steps import StepHook
from vlprompt_pipeline.hooks.summary import SummaryHook
from vlprompt_pipeline.hooks.tracking import TrackingHook
from vlprompt_pipeline.hooks.verification import VerificationHook

__all__ = [
    "ErrorHook",
    "ParameterHook",
    "ReproducibilityHook",
    "StepHook",
    "SummaryHook",
    "TrackingHook",
    "VerificationHook",
]
