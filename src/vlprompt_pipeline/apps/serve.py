"""`vlprompt serve`: a model behind HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from vlprompt_pipeline.apps.options import with_clip, with_tracking_uri

_COUNT = click.IntRange(min=1)


def _limit(of: str, default: int, text: str) -> Callable[[Any], Any]:
    """Return the option of a limit on requests, which an environment variable may give too."""
    envvar = f"VLPROMPT_MAX_{of.upper()}"
    return click.option(f"--max-{of}", type=_COUNT, default=default, envvar=envvar, help=text)


@click.command()
@click.argument("model")
@click.option("--host", default="127.0.0.1", help="0.0.0.0 for all networks.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000)
@_limit("pixels", 50_000_000, "Of an image, by its header.")
@_limit("rows", 64, "Images in a request.")
@_limit("bytes", 32_000_000, "Of a request.")
@_limit("classes", 1000, "Class names given with a request.")
@click.option("--max-batch", type=_COUNT, default=32, help="Images in the model at once.")
@click.option(
    "--max-delay-ms",
    type=click.FloatRange(0, 60_000),
    default=5,
    help="How long an image waits for others to share a batch.",
)
@click.option(
    "--max-waiting",
    type=_COUNT,
    default=256,
    help="Images of all requests under way; more are told to come again.",
)
@click.option(
    "--accuracy",
    type=click.FloatRange(0, 1, min_open=True),
    help="Share of right answers wanted among the images that are given a label, where a request "
    "does not ask for another.",
)
@click.option("--decoders", type=_COUNT, help="Images decoded at once; one a core if not given.")
@with_clip
@with_tracking_uri
def serve(
    model: str,
    host: str,
    port: int,
    max_pixels: int,
    max_rows: int,
    max_bytes: int,
    max_classes: int,
    max_batch: int,
    max_delay_ms: float,
    max_waiting: int,
    accuracy: float | None,
    decoders: int | None,
    clip: str | None,
    tracking_uri: str,
) -> None:
    """Answer images with labels over HTTP, until it is stopped.

    MODEL is a registered model (NAME, NAME@ALIAS or NAME/VERSION), a folder that vlprompt
    export or publish wrote, or hf-hub:<owner>/<name>. http://HOST:PORT/docs shows how to ask.
    Needs the extra [serve].
    """
    from vlprompt_pipeline import serving

    serving.require_serving()
    from vlprompt_pipeline.inference import open_model, with_accuracy
    from vlprompt_pipeline.registry.limits import RequestLimits

    settings = serving.ServingSettings(
        limits=RequestLimits(max_pixels, max_rows, max_bytes, max_classes),
        batch=max_batch,
        delay=max_delay_ms / 1000,
        waiting=max_waiting,
        **({"decoders": decoders} if decoders else {}),
    )
    opened = open_model(model, registry_uri=tracking_uri, clip_source=clip)
    if accuracy is not None:
        opened = with_accuracy(opened, accuracy)
        click.echo(opened.rejection.sentence(), err=True)
    listener = serving.listen(host, port)
    click.echo(
        f"{opened.name} version {opened.version} at {serving.address_of(listener)}, explained "
        "at /docs; Ctrl-C stops it",
        err=True,
    )
    serving.serve(opened, settings, listener)
