"""FGVC-Aircraft: 100 variants of aircraft.

    fgvc_aircraft/images/<number>.jpg
    fgvc_aircraft/variants.txt: one variant per line
    fgvc_aircraft/images_variant_{train,val,test}.txt: "<number> <variant>" per line

Classes are called as in `variants.txt`; labels follow its lines.
"""

from __future__ import annotations

from pathlib import Path

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.image_datasets.annotations import read_lines, split_line
from vlprompt_pipeline.image_datasets.download_recipe import DownloadFile, bundled_download
from vlprompt_pipeline.image_datasets.image_dataset import ImageDataset
from vlprompt_pipeline.image_datasets.lookup import register_dataset
from vlprompt_pipeline.image_datasets.miniatures.form import (
    MiniatureForm,
    PartRows,
    same_pattern,
    write_lines,
)
from vlprompt_pipeline.image_datasets.schema import PARTS
from vlprompt_pipeline.image_datasets.split import PartCounts, Row, Split, require_inside

_VARIANTS = "variants.txt"
_LISTS = {part: f"images_variant_{part}.txt" for part in PARTS}


class VariantLists:
    """A split by a list of variants and a list of images for each part."""

    @property
    def files(self) -> tuple[str, ...]:
        """The four lists."""
        return (_VARIANTS, *_LISTS.values())

    def read(self, folder: Path, images: Path) -> Split:
        """Read the lists; `images` is not looked at.

        Raises:
            DataError: a variant stands twice in its list, or a line of the others is not of the
                form above or of an unknown variant.
        """
        labels = _read_variants(folder / _VARIANTS)
        rows = {part: _read_images(folder / file, labels) for part, file in _LISTS.items()}
        return Split.from_rows(f"the split by the variant lists of {folder}", rows)


def _read_variants(file: Path) -> dict[str, int]:
    variants = read_lines(file)
    labels = {variant: label for label, variant in enumerate(variants)}
    if len(labels) < len(variants):  # the other lists know a class by its name alone
        raise DataError(f"{file} has a variant twice; get the official file again")
    return labels


def _read_images(file: Path, labels: dict[str, int]) -> list[Row]:
    rows = []
    for number, line in enumerate(read_lines(file), start=1):
        where = f"line {number} of {file}"
        image, variant = split_line(line, where, "an image number and a variant")
        if variant not in labels:
            raise DataError(
                f"{where} has the variant {variant!r}, which is not in {_VARIANTS}; get the "
                "official files again"
            )
        require_inside(f"{image}.jpg", where)
        rows.append((f"{image}.jpg", labels[variant], variant))
    return rows


def _write_variant_lists(folder: Path, rows: PartRows) -> None:
    """Write the miniature's variants, and the images of each part."""
    variants = {label: name for part in rows.values() for _, label, name in part}
    write_lines(folder / _VARIANTS, [variants[label] for label in range(len(variants))])
    for part, part_rows in rows.items():
        lines = [f"{path.removesuffix('.jpg')} {name}" for path, _, name in part_rows]
        write_lines(folder / _LISTS[part], lines)


FGVC_AIRCRAFT = ImageDataset(
    name="fgvc_aircraft",
    title="FGVCAircraft",
    folder="fgvc_aircraft",
    image_prefix="images",
    split=VariantLists(),
    template="a photo of a {}, a type of aircraft.",
    classes=100,
    counts=PartCounts(train=3334, val=3333, test=3333),
    licence="non-commercial research; the photos belong to their photographers",
    citation=(
        "S. Maji, E. Rahtu, J. Kannala, M. Blaschko, A. Vedaldi: Fine-grained visual "
        "classification of aircraft, arXiv:1306.5151, 2013"
    ),
    source=(
        "https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft, the folder data of "
        "fgvc-aircraft-2013b.tar.gz renamed to fgvc_aircraft"
    ),
    column=7,
    download=bundled_download(
        "fgvc_aircraft.zip",
        DownloadFile(
            url=(
                "https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/archives/"
                "fgvc-aircraft-2013b.tar.gz"
            ),
            take="fgvc-aircraft-2013b/data",
            put="",
        ),
    ),
    miniature=MiniatureForm(
        _write_variant_lists,
        same_pattern("{serial:07}.jpg", "707-320", "737-200", "F-16A/B", "Model B200"),
    ),
)
register_dataset(FGVC_AIRCRAFT)
