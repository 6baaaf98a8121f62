"""How a result was made, and whether it is made again."""

from vlprompt_pipeline.reproducibility.comparison import (
    MethodComparison,
    Outputs,
    Verification,
    compare_method,
)
from vlprompt_pipeline.reproducibility.environment import Environment, environment
from vlprompt_pipeline.reproducibility.record import (
    Hashes,
    MadeFile,
    Record,
    Run,
    result_parameters,
    updated,
)
from vlprompt_pipeline.reproducibility.stored import require_unchanged
from vlprompt_pipeline.reproducibility.usage import Clock

__all__ = [
    "Clock",
    "Environment",
    "Hashes",
    "MadeFile",
    "MethodComparison",
    "Outputs",
    "Record",
    "Run",
    "Verification",
    "compare_method",
    "environment",
    "require_unchanged",
    "result_parameters",
    "updated",
]
