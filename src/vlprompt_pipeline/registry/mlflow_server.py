"""What holds for a model behind `mlflow models serve` and not in a program of its user.

There, images come from strangers, and nobody reads the log in which MLflow says that it dropped a
parameter it does not know.
"""

from __future__ import annotations

import logging
import re

from mlflow.environment_variables import _MLFLOW_IS_IN_SERVING_ENVIRONMENT
from mlflow.exceptions import MlflowException

_PARAMETERS = re.compile(r"Unrecognized params \[(?P<unknown>.*?)\] are ignored")
_COLUMNS = re.compile(r"Found extra inputs in the model input .*?: `\[(?P<unknown>.*?)\]`")
_KINDS = ((_PARAMETERS, "parameter", "class_names, top_k, accuracy"), (_COLUMNS, "column", "image"))


def is_served() -> bool:
    """Tell whether this process is MLflow's scoring server."""
    return bool(_MLFLOW_IS_IN_SERVING_ENVIRONMENT.get())


def refuse_unknown_parameters() -> None:
    """Have a server answer a misspelt parameter or column with an error that names it.

    MLflow logs a warning and goes on without it, so the warning is the only place to refuse it.
    """
    logger = logging.getLogger("mlflow.models.utils")
    logger.removeFilter(_refuse)
    logger.addFilter(_refuse)


def _refuse(record: logging.LogRecord) -> bool:
    """Raise where MLflow tells of something it does not know."""
    if not is_served():
        return True
    text = record.getMessage()
    for pattern, kind, allowed in _KINDS:
        if match := pattern.search(text):
            raise MlflowException.invalid_parameter_value(
                f"unknown {kind} {match['unknown']}; known: {allowed}"
            )
    return True
