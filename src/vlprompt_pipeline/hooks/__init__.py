"""What listens to a run: checks, locks, MLflow, a line a step, records, the summary, errors."""

from vlprompt_pipeline.hooks.completion import CompletionHook
from vlprompt_pipeline.hooks.errors import ErrorHook
from vlprompt_pipeline.hooks.locks import LockHook
from vlprompt_pipeline.hooks.parameters import ParameterHook
from vlprompt_pipeline.hooks.reproducibility import ReproducibilityHook
from vlprompt_pipeline.hooks.steps import StepHook
from vlprompt_pipeline.hooks.summary import SummaryHook
from vlprompt_pipeline.hooks.tracking import TrackingHook
from vlprompt_pipeline.hooks.verification import VerificationHook

__all__ = [
    "CompletionHook",
    "ErrorHook",
    "LockHook",
    "ParameterHook",
    "ReproducibilityHook",
    "StepHook",
    "SummaryHook",
    "TrackingHook",
    "VerificationHook",
]
