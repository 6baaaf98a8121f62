"""A trained prompt as a repository of the Hugging Face hub: written, uploaded, fetched and loaded.

Loaded by name, so that a fetched model is verified without torch and MLflow.
"""

from vlprompt_pipeline.lazy import lazy_names

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Licences": "licences",
        "Publication": "folder",
        "fetch_published": "hub",
        "load_published": "loading",
        "require_repository": "hub",
        "upload": "hub",
        "write_publication": "folder",
    },
)
