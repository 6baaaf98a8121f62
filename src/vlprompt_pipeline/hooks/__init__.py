"""What listens to a run: parameter checks, MLflow, a line a step, the closing summary, errors."""

from vlprompt_pipeline.hooks.errors import ErrorHook
from vlprompt_pipeline.hooks.parameters import ParameterHook
from vlprompt_pipeline.hooks.steps import StepHook
from vlprompt_pipeline.hooks.summary import SummaryHook
from vlprompt_pipeline.hooks.tracking import TrackingHook

__all__ = ["ErrorHook", "ParameterHook", "StepHook", "SummaryHook", "TrackingHook"]
