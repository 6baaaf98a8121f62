"""A model behind HTTP: images in, labels out, with limits on what a request may ask for.

Loaded by name, so that FastAPI, an extra of the package, is imported by those who serve alone.
"""

from vlprompt_pipeline.lazy import lazy_names

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ServingSettings": "settings",
        "address_of": "server",
        "create_app": "app",
        "listen": "server",
        "require_serving": "server",
        "serve": "server",
    },
)
