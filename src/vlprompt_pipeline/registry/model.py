"""The file that MLflow runs when it loads a registered prompt, instead of opening a pickle.

A copy of it lies in every version, beside the prompt; what it does is in this package.
"""

from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.registry.classifier import TOP, Classifier


class PromptModel(PythonModel):
    """Images in the column `image`, as bytes or base64, to labels and scores."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load prompt and CLIP; `clip_source` and `device` are the model's configuration."""
        self.classifier = Classifier.load(context.artifacts, **context.model_config)

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """A row an image; `params` may hold `class_names` and `top_k`."""
        asked = params or {}
        names, top = asked.get("class_names", ()), asked.get("top_k", TOP)
        try:
            return self.classifier.classify(list(model_input["image"]), names, top)
        except UserError as error:  # a server passes on the text of MLflow's own errors only
            raise MlflowException.invalid_parameter_value(str(error)) from error


set_model(PromptModel())
