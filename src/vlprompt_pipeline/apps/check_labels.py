"""`vlprompt check-labels`: near copies and labels that are probably wrong."""

from __future__ import annotations

from pathlib import Path

import click

from vlprompt_pipeline.apps.options import FILE, NEW_FILE

_SHOWN = 10  # groups of near copies on the terminal
_THRESHOLD = 0.98  # our choice, not measured


@click.command("check-labels")
@click.argument("features", type=FILE)
@click.option(
    "--out",
    type=NEW_FILE,
    default=Path("label_errors.csv"),
    help="The CSV file to write, for vlprompt review.",
)
@click.option(
    "--copies",
    "threshold",
    type=click.FloatRange(0, 1),
    default=_THRESHOLD,
    help="Cosine from which two photos are near copies.",
)
def check_labels(features: Path, out: Path, threshold: float) -> None:
    """Find near copies and likely wrong labels in FEATURES, which vlprompt embed wrote.

    The label of a photo is the folder that it lies in. Needs the extra [labels].

    \b
      vlprompt check-labels features.parquet --out label_errors.csv
      vlprompt review label_errors.csv --images photos/
    """
    from vlprompt_pipeline.lazy import require_extra

    require_extra("labels", "finding likely label errors", "cleanlab", "sklearn")
    from vlprompt_pipeline.curation.embeddings import Embeddings
    from vlprompt_pipeline.curation.label_errors import label_errors
    from vlprompt_pipeline.curation.near_copies import near_copies
    from vlprompt_pipeline.filesystem.files import atomic_write

    embeddings = Embeddings.load(features)
    groups = near_copies(embeddings.features, threshold)
    table = label_errors(embeddings)
    with atomic_write(out) as temporary:
        table.to_csv(temporary, index=False, float_format="%.4f")
    paths, labels = embeddings.paths, embeddings.labels
    for group in groups[:_SHOWN]:
        several = {labels[row] for row in group} - {""}  # of a photo outside class folders
        under = f" (under {len(several)} labels: {', '.join(sorted(several))})"
        click.echo(
            f"near copies: {', '.join(paths[row] for row in group)}{under * (len(several) > 1)}"
        )
    if len(groups) > _SHOWN:
        click.echo(f"and {len(groups) - _SHOWN:,} other groups of near copies")
    doubtful = int(table["doubtful"].sum())
    click.echo(f"{out}: {doubtful:,} of {len(table):,} labels are probably wrong, these first")
    click.echo(f"look at them: vlprompt review {out} --images {embeddings.folder}")
