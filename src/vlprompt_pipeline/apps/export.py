"""`vlprompt export`: a registered model as a folder that runs without torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vlprompt_pipeline.apps.options import FILE, FOLDER, NEW_FOLDER, with_clip, with_tracking_uri

if TYPE_CHECKING:
    from vlprompt_pipeline.shipping.contents import ShippedModel
    from vlprompt_pipeline.shipping.samples import ImageSamples


@click.command()
@click.argument("model")
@click.argument("folder", type=NEW_FOLDER)
@click.option(
    "--images",
    type=FOLDER,
    help="Images of the task: to calibrate 8 bits and to measure the graphs. Sub-folders that are "
    "named as labels say what the images show.",
)
@click.option("--web", is_flag=True, help="Add a page on which one drops photos.")
@click.option(
    "--web-runtime",
    type=FILE,
    help="The archive of onnxruntime-web, instead of fetching it with npm.",
)
@with_clip
@with_tracking_uri
def export(
    model: str,
    folder: Path,
    images: Path | None,
    web: bool,
    web_runtime: Path | None,
    clip: str | None,
    tracking_uri: str,
) -> None:
    """Export a registered model as ONNX graphs with labels, example, README and hashes.

    MODEL is a registered model: NAME, NAME@ALIAS or NAME/VERSION. FOLDER is made; an earlier
    export there is replaced. Needs the extra [onnx].
    """
    if web_runtime and not web:
        raise click.UsageError("--web-runtime is for the page: give --web, too")
    from vlprompt_pipeline import registry
    from vlprompt_pipeline.shipping import ShippedModel, export_folder
    from vlprompt_pipeline.shipping.onnx_files import require_onnx

    require_onnx()
    models = registry.open_existing(tracking_uri, Path.cwd())
    version = registry.find_version(models, model)
    classifier = registry.load_classifier(models, version, clip)
    shipped = ShippedModel.of(classifier, version.name, version.number, classifier.rejection)
    samples = _samples(shipped, images)
    rows = export_folder(shipped, folder, samples, web=web, web_runtime=web_runtime)
    for row in rows:
        click.echo(str(row))
    click.echo(f"{folder}: run python {folder / 'classify.py'} PHOTO, or read its README.md")


def _samples(model: ShippedModel, images: Path | None) -> ImageSamples:
    """Return images below a folder, or none."""
    from vlprompt_pipeline import inference
    from vlprompt_pipeline.shipping import ImageSamples

    if images is None:
        return ImageSamples()
    files = [photo.path for photo in inference.find_photos([images]).photos]
    return ImageSamples.of_folder(model, files, f"images of {images.name}")
