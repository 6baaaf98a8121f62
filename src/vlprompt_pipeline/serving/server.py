"""Run the application until it is told to stop."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.lazy import require_extra

if TYPE_CHECKING:
    from vlprompt_pipeline.inference import ImageModel
    from vlprompt_pipeline.serving.settings import ServingSettings

CONNECTIONS = 128  # at once; further ones are answered with 503: our choice
IDLE = 10  # seconds between two looks at a connection; one without progress is closed: our choice
STOP = 30  # seconds that requests under way have left when the server is told to stop: our choice


def require_serving() -> None:
    """Refuse where the extra is missing.

    Raises:
        UserError: with the command that installs it.
    """
    libraries = ("fastapi", "fastapi_swagger", "prometheus_client", "python_multipart", "uvicorn")
    require_extra("serve", "serving", *libraries)


def listen(host: str, port: int) -> socket.socket:
    """Take an address to answer at; port 0 stands for any that is free.

    Raises:
        ConfigError: the address is taken, or is none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()
    except (OSError, TypeError) as error:  # TypeError: a name that cannot be one of a host
        listener.close()
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"cannot listen at {host}:{port} ({reason}): give another --port or --host"
        ) from None
    return listener


def address_of(listener: socket.socket) -> str:
    """Write, for instance, "http://127.0.0.1:8000"."""
    host, port, *_ = listener.getsockname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(model: ImageModel, settings: ServingSettings, listener: socket.socket) -> None:
    """Answer requests until SIGINT or SIGTERM, then finish those under way."""
    import uvicorn  # noqa: PLC0415

    from vlprompt_pipeline.serving.app import create_app  # noqa: PLC0415
    from vlprompt_pipeline.serving.connection import Connection  # noqa: PLC0415

    config = uvicorn.Config(
        create_app(model, settings),
        http=Connection,
        log_level="warning",
        access_log=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=IDLE,
        timeout_graceful_shutdown=STOP,
    )
    with suppress(KeyboardInterrupt):  # uvicorn raises it again once it has stopped
        uvicorn.Server(config).run(sockets=[listener])
