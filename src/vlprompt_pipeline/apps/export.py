"""`vlprompt export`: a registered model as a folder that runs without torch."""

from __future__ import annotations

from pathlib import Path

import click

from vlprompt_pipeline.apps.options import FILE, FOLDER, NEW_FOLDER, with_clip, with_tracking_uri


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
    from vlprompt_pipeline import inference, registry
    from vlprompt_pipeline.shipping import ImageSamples, ShippedModel, export_folder
    from vlprompt_pipeline.shipping.onnx_files import require_onnx

    require_onnx()
    files = [photo.path for photo in inference.find_photos([images]).photos] if images else []
    models = registry.open_existing(tracking_uri, Path.cwd())
    version = registry.find_version(models, model)
    classifier = registry.load_classifier(models, version, clip)
    shipped = ShippedModel.of(classifier, version.name, version.number, classifier.rejection)
    samples = ImageSamples()
    if images:
        samples = ImageSamples.of_folder(shipped, files, f"images of {images.name}")
    rows = export_folder(shipped, folder, samples, web=web, web_runtime=web_runtime)
    for row in rows:
        click.echo(str(row))
    click.echo(f"{folder}: run python {folder / 'classify.py'} PHOTO, or read its README.md")
