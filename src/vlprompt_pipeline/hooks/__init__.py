"""What listens to a run: parameter checks, MLflow tracking, the closing summary, short errors."""

from vlprompt_pipeline.hooks.errors import ErrorHook
from vlprompt_pipeline.hooks.parameters import ParameterHook
from vlprompt_pipeline.hooks.summary import SummaryHook
from vlprompt_pipeline.hooks.tracking import TrackingHook

__all__ = ["ErrorHook", "ParameterHook", "SummaryHook", "TrackingHook"]
