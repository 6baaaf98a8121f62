"""`vlprompt relabel`: the labels of a review become the table of a dataset."""

from __future__ import annotations

from pathlib import Path

import click

from vlprompt_pipeline.apps.options import FILE, FOLDER


@click.command()
@click.argument("dataset")
@click.argument("reviewed", type=FILE)
@click.option(
    "--dataset-root",
    required=True,
    type=FOLDER,
    help="The folder that holds the dataset, as dataset_root of kedro run.",
)
@click.option("--class-names", help="The file of own_data.class_names, if the dataset has one.")
def relabel(dataset: str, reviewed: Path, dataset_root: Path, class_names: str | None) -> None:
    """Write the table of DATASET with the labels of REVIEWED, which a page of review saved.

    Photos that the dataset has get their new labels or are left out, others are added. No photo is
    moved: DATASET.csv beside the folder says what each is, and is read instead of the folder.

    \b
      vlprompt relabel my_photos reviewed_labels.csv --dataset-root ~/Pictures
      kedro run --env=photos --params=dataset=my_photos,dataset_root=~/Pictures
    """
    from vlprompt_pipeline.curation.relabel import relabel as write
    from vlprompt_pipeline.wording import program

    done = write(dataset, dataset_root, reviewed, class_names)
    counts = ", ".join(
        f"{number:,} {what}" for what, number in sorted(done.counts.items()) if number
    )
    new = f"; new classes: {', '.join(done.new_classes)}" if done.new_classes else ""
    click.echo(f"{done.table}: {done.photos:,} photos ({counts or 'nothing new'}){new}")
    if done.replaced:
        click.echo(
            f"{done.replaced} is the table that was there, with {', '.join(done.lost_columns)}"
        )
    params = f"dataset={dataset},dataset_root={dataset_root}"
    if class_names:
        params += f",own_data.class_names={class_names}"
    kedro = program(Path(), "kedro")
    click.echo(f"train with them: {kedro} run --env=photos --params={params}")
