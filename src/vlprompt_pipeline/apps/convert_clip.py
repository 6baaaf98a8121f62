"""`vlprompt convert-clip`: weights in a pickle become a folder that is read safely."""

from __future__ import annotations

from pathlib import Path

import click

from vlprompt_pipeline.apps.options import NEW_FOLDER


@click.command("convert-clip")
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.argument("folder", type=NEW_FOLDER)
@click.option("--model", help="Its name in open_clip, where no open_clip_config.json lies beside.")
def convert_clip(source: Path, folder: Path, model: str | None) -> None:
    """Turn a CLIP that is stored as a pickle into safetensors, once.

    SOURCE is a checkpoint of open_clip (.bin, .pt), of a training run too, or an archive of OpenAI
    (ViT-B-16.pt and its siblings), or the folder of one. FOLDER is new. Nothing in SOURCE is run,
    and the weights are checked against the architecture. Use the result as
    clip.source=local-dir:FOLDER.
    """
    from vlprompt_pipeline.clip import conversion

    done = conversion.convert_clip(source, folder, model)
    click.echo(
        f"{source} is {done.form}: {done.model}, {done.tensors:,} tensors with "
        f"{done.parameters:,} values, all that the architecture asks for.\n"
        f"Written as local-dir:{done.folder}"
    )
