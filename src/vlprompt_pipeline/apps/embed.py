"""`vlprompt embed`: a folder of photos as features, to search and to check labels with."""

from __future__ import annotations

from pathlib import Path

import click

from vlprompt_pipeline.apps.options import FOLDER, NEW_FILE


@click.command()
@click.argument("folder", type=FOLDER)
@click.option("--out", required=True, type=NEW_FILE, help="The Parquet file to write.")
@click.option(
    "--clip",
    "source",
    default="embedded",
    help="Which CLIP, as clip.source: local-dir:FOLDER, open_clip:MODEL:TAG, hf-hub:OWNER/NAME.",
)
@click.option("--device", default="auto", help="auto, cpu, cuda or mps.")
def embed(folder: Path, out: Path, source: str, device: str) -> None:
    """Write the features of all photos below FOLDER.

    The folder that a photo lies in is its label, for check-labels.

    \b
      vlprompt embed photos/ --out features.parquet --clip hf-hub:openai/clip-vit-base-patch16
      vlprompt nearest features.parquet --text "a red flag"
    """
    from vlprompt_pipeline.clip import load_clip
    from vlprompt_pipeline.curation.embeddings import embed_folder
    from vlprompt_pipeline.progress import bar

    with bar("photos", None) as advance:
        embeddings = embed_folder(load_clip(source, device=device), folder, advance)
    embeddings.save(out)
    for path, reason in embeddings.problems:
        click.echo(f"left out {path}: {reason}", err=True)
    width = embeddings.features.shape[1]
    click.echo(f"{out}: {len(embeddings.paths):,} photos, {width} numbers each", err=True)
