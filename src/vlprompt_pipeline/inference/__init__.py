"""Label photos with a model, whatever it is stored as: registered, exported, or on the hub.

Loaded by name: an exported folder is used without torch and MLflow, which take seconds to import.
"""

from vlprompt_pipeline.lazy import lazy_names

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ImageModel": "models",
        "LabelFile": "label_file",
        "Photo": "photos",
        "Prediction": "predictions",
        "find_photos": "photos",
        "label_to_file": "labelling",
        "open_model": "models",
        "predict_photos": "predictions",
        "read_paths": "photos",
        "table_columns": "predictions",
        "with_accuracy": "models",
    },
)
