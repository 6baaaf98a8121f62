"""`vlprompt publish`: a registered model as a repository of the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

import click

from vlprompt_pipeline.apps.options import NEW_FOLDER, with_clip, with_tracking_uri


@click.command()
@click.argument("model")
@click.argument("folder", type=NEW_FOLDER)
@click.option("--repo", metavar="ORG/NAME", help="Upload the folder there; made if it is not.")
@click.option("--private", is_flag=True, help="With --repo: a repository that only you can read.")
@click.option("--dry-run", is_flag=True, help="Say what would be uploaded; the hub is not asked.")
@click.option("--licence", metavar="ID", help="Of the prompt, such as mit.  [default: other]")
@click.option("--clip-licence", help="Of the CLIP's weights, where it is not known here.")
@click.option("--data-licence", help="Of the training images, where it is not known here.")
@click.option(
    "--include-clip", is_flag=True, help="With the weights of a CLIP of this machine alone."
)
@with_clip
@with_tracking_uri
def publish(
    model: str,
    folder: Path,
    repo: str | None,
    private: bool,
    dry_run: bool,
    licence: str | None,
    clip_licence: str | None,
    data_licence: str | None,
    include_clip: bool,
    clip: str | None,
    tracking_uri: str,
) -> None:
    """Write a registered model as a folder for the hub, and upload it with --repo.

    MODEL is a registered model: NAME, NAME@ALIAS or NAME/VERSION. FOLDER is made; an earlier
    publication there is replaced.

    \b
      vlprompt publish pets.qcoop@champion hub/ --repo me/pets-qcoop --dry-run
      vlprompt predict photos/ --model hf-hub:me/pets-qcoop

    The login for an upload is that of hf auth login, or HF_TOKEN.
    """
    from vlprompt_pipeline import publishing, registry
    from vlprompt_pipeline.wording import human_bytes

    if (dry_run or private) and not repo:
        raise click.UsageError("--dry-run and --private are about an upload: give --repo, too")
    if repo:
        publishing.require_repository(repo)
    models = registry.open_existing(tracking_uri, Path.cwd())
    version = registry.find_version(models, model)
    classifier = registry.load_classifier(models, version, clip)
    licences = publishing.Licences.of(
        classifier.clip.source,
        version.tags.get("dataset", version.name),
        clip=clip_licence,
        data=data_licence,
        prompt=licence,
    )
    publication = publishing.Publication(version.name, version.number, version.tags, classifier)
    publishing.write_publication(
        publication, folder, licences, repo or "<owner>/<name>", include_clip
    )
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        click.echo(f"  {human_bytes(path.stat().st_size):>10}  {name}")
    if not repo:
        click.echo(f"{folder}: look at its README.md, then give --repo to upload it")
    elif dry_run:
        click.echo(f"{folder} is what would be uploaded to {repo}; nothing was sent")
    else:
        click.echo(publishing.upload(folder, repo, private))
