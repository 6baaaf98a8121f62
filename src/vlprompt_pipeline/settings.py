"""Settings of the Kedro project."""

import os

# Nothing is reported to anybody unless the user asks for it; set before any of them is imported.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("KEDRO_DISABLE_TELEMETRY", "true")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

from vlprompt_pipeline.hooks import ErrorHook, ParameterHook, SummaryHook, TrackingHook  # noqa: E402

HOOKS = (ParameterHook(), TrackingHook(), SummaryHook(), ErrorHook())

CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "merge_strategy": {"parameters": "soft"},
}
