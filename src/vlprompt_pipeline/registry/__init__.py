"""Trained prompts as versions of registered MLflow models: packaged, compared, promoted.

Loaded by name, so that MLflow, which takes seconds, is imported by those who use it alone.
"""

from vlprompt_pipeline.lazy import lazy_names

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Evaluated": "check",
        "ModelRegistry": "store",
        "classifier_of": "contents",
        "find_version": "loading",
        "list_versions": "loading",
        "load_classifier": "loading",
        "open_existing": "loading",
        "promote": "promotion",
        "refusal": "promotion",
        "register": "registration",
    },
)
