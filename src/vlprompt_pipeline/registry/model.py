"""The file that MLflow runs when it loads a registered prompt, instead of opening a pickle.

A copy of it lies in every version, beside the prompt; what it does is in this package.
"""

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.registry.classifier import TOP, Classifier
from vlprompt_pipeline.registry.integrity import require_same_files
from vlprompt_pipeline.registry.limits import RequestLimits
from vlprompt_pipeline.registry.mlflow_server import is_served, refuse_unknown_parameters


class PromptModel(PythonModel):
    """Images in the column `image`, as bytes, base64 or data-URLs, to labels and scores."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load prompt and CLIP; `clip_source` and `device` are the model's configuration.

        Before anything is read, the files are compared with the hashes in that configuration.
        """
        settings = dict(context.model_config)
        files = {name: Path(path) for name, path in context.artifacts.items()}
        require_same_files(files, settings.pop("files_sha256"), "this package")
        self.classifier = Classifier.load(context.artifacts, **settings)
        self.limits = RequestLimits.from_environment()
        refuse_unknown_parameters()

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Return a row an image, `problem` for what is none.

        `params`: `class_names`, `top_k`, `accuracy`.

        Behind a server the limits on requests hold.
        """
        given = params or {}
        names, top = given.get("class_names", ()), given.get("top_k", TOP)
        accuracy = given.get("accuracy")
        images = list(model_input["image"])
        if len(images) == 1 and isinstance(images[0], list):  # {"inputs": {"image": [...]}}
            images = images[0]
        try:
            if not is_served():
                return self.classifier.classify(images, names, top, accuracy=accuracy)
            self.limits.require_request(images, names)
            table = self.classifier.classify(images, names, top, self.limits, accuracy)
            scores = table["score"].astype(object)  # JSON has no NaN
            return table.assign(score=scores.where(table["score"].notna(), None))
        except UserError as error:  # a server passes on the text of MLflow's own errors only
            raise MlflowException.invalid_parameter_value(str(error)) from error


set_model(PromptModel())
