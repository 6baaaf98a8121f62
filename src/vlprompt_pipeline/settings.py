"""Settings of the Kedro project."""

import os
import warnings
from collections.abc import Mapping
from typing import Any

from vlprompt_pipeline.hooks.completion import CompletionHook
from vlprompt_pipeline.hooks.errors import ErrorHook
from vlprompt_pipeline.hooks.locks import LockHook
from vlprompt_pipeline.hooks.one_run import OneRunHook
from vlprompt_pipeline.hooks.parameters import ParameterHook
from vlprompt_pipeline.hooks.reproducibility import ReproducibilityHook
from vlprompt_pipeline.hooks.steps import StepHook
from vlprompt_pipeline.hooks.summary import SummaryHook
from vlprompt_pipeline.hooks.tracking import TrackingHook
from vlprompt_pipeline.hooks.verification import VerificationHook

# Nothing is reported to anybody unless the user asks for it; set before any of them is imported.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("KEDRO_DISABLE_TELEMETRY", "true")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")  # its own news of tables made

# Kedro calls OmegaConf by a name OmegaConf is about to drop; not ours to mend, no news to the user.
warnings.filterwarnings("ignore", message="register_new_resolver")
# The report names each method's record by its namespace, `coop.record`, as namespaces are meant.
warnings.filterwarnings("ignore", message="One or more dataset names contain '.'")

# The method's name is bound to a node function with `partial`; a worker process forgets its name.
warnings.filterwarnings("ignore", message="The node producing outputs")

steps = StepHook()
HOOKS = (
    ParameterHook(),
    TrackingHook(),
    steps,
    ReproducibilityHook(steps),
    VerificationHook(),
    CompletionHook(),
    SummaryHook(),
    ErrorHook(),
    LockHook(),  # behind all that write: it holds before them, and lets go after them
    OneRunHook(),  # around all others
)


def _protocol_folder(protocol: str, *settings: Mapping[str, Any] | None) -> str:
    """Name the folder of a protocol in the catalog's paths, which its settings may change.

    `settings` are its section in globals.yml, then in `--params`.
    """
    from vlprompt_pipeline.protocols import PROTOCOLS

    given = {key: value for section in settings for key, value in (section or {}).items()}
    return PROTOCOLS[protocol].label(given) if protocol in PROTOCOLS else protocol


CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    # Kedro puts the project's folder before a path that is relative, as one with ~ would be
    "custom_resolvers": {"protocol_folder": _protocol_folder, "home": os.path.expanduser},
    "merge_strategy": {"parameters": "soft", "globals": "soft"},
    # a piece of the catalog that the parameter hook reads alone, in a tenth of the time
    "config_patterns": {"catalog_reproducibility": ["catalog_places*", "catalog_reproducibility*"]},
}
