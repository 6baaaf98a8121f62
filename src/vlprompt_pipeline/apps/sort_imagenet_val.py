"""`vlprompt sort-imagenet-val`: ImageNet's validation images into a folder a class."""

from __future__ import annotations

from pathlib import Path

import click

from vlprompt_pipeline.apps.options import FILE, FOLDER


@click.command("sort-imagenet-val")
@click.argument("folder", type=FOLDER)
@click.argument("labels", type=FILE)
@click.option(
    "--meta",
    type=FILE,
    help="meta.mat of the development kit, where LABELS holds numbers.",
)
def sort_imagenet_val(folder: Path, labels: Path, meta: Path | None) -> None:
    """Move ImageNet's validation images into a folder a class.

    FOLDER is imagenet/images/val as the archive unpacks it. LABELS says what each image shows:
    ILSVRC2012_validation_ground_truth.txt of the development kit, with --meta; a WordNet id a line
    in the order of the images; or lines of image and WordNet id, such as LOC_val_solution.csv.
    """
    from vlprompt_pipeline.image_datasets.imagenet_val import sort_validation_images

    moved = sort_validation_images(folder, labels, meta)
    click.echo(f"{moved.total():,} images moved into {len(moved):,} class folders of {folder}")
