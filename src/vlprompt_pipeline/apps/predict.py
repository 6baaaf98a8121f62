"""`vlprompt predict`: a registered model labels a folder of images."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("model")
@click.argument("images", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a CSV file here instead of to the terminal.",
)
@click.option("--class-name", "class_names", multiple=True, help="One of other classes; repeat it.")
@click.option(
    "--top-k", type=click.IntRange(min=1), default=1, show_default=True, help="Labels an image."
)
@click.option(
    "--tracking-uri",
    default="sqlite:///mlflow.db",
    show_default=True,
    help="Where MLflow keeps models; MLFLOW_TRACKING_URI goes first.",
)
def predict(
    model: str,
    images: Path,
    output: Path | None,
    class_names: tuple[str, ...],
    top_k: int,
    tracking_uri: str,
) -> None:
    """Label all images below a folder with a registered model.

    MODEL is <dataset>.<method>@<alias> or <dataset>.<method>/<version>, as kedro run
    --pipelines=register makes them. IMAGES is the folder. A file that is no image gets no label but
    its problem.
    """
    from vlprompt_pipeline import registry
    from vlprompt_pipeline.config import TrackingParameters
    from vlprompt_pipeline.errors import UserError
    from vlprompt_pipeline.files import atomic_write
    from vlprompt_pipeline.progress import bar

    try:
        files = registry.image_files(images)
        tracking = TrackingParameters(enabled=True, experiment="vlprompt", uri=tracking_uri)
        registry.ModelRegistry.open(tracking, Path.cwd())
        classifier = registry.load_classifier(f"models:/{model}")
        with bar(f"labels of {len(files):,} images", len(files)) as advance:
            table = registry.label_files(classifier, images, files, class_names, top_k, advance)
        if output is None:
            click.echo(table.to_csv(index=False), nl=False)
            return
        with atomic_write(output) as temporary:
            table.to_csv(temporary, index=False)
    except UserError as error:
        raise click.ClickException(str(error)) from None
    without_label = int(table["problem"].notna().sum())
    note = f", {without_label} without a label" if without_label else ""
    click.echo(f"{output}: {len(table)} images{note}", err=True)
