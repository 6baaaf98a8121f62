"""Own photos in tables and Hugging Face imagefolders."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pandas as pd
import pytest

from image_datasets.own_data.photos import write_classes
from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.image_datasets import ImageIndex, OwnData, build_own_index

Rows = list[dict[str, object]]


def rows(path: str = "path", part: str | None = "part", number: int = 4) -> Rows:
    """Cats and dogs, alternately for training and testing."""
    return [
        {path: f"pics/{name}/{serial:03}.png", "label": f"a_{name}"}
        | ({part: ("train", "test")[serial % 2]} if part else {})
        for name in ("dog", "cat")
        for serial in range(number)
    ]


@pytest.fixture
def root(tmp_path) -> Path:
    write_classes(tmp_path / "pics", cat=4, dog=4)
    return tmp_path


def index(root: Path) -> ImageIndex:
    return build_own_index("zoo", root, OwnData())


def found(index: ImageIndex) -> set[tuple[str, int, str]]:
    columns = index.table[["path", "label", "part"]]
    return set(columns.itertuples(index=False, name=None))


def write_csv(root: Path, table: Rows, **options) -> None:
    pd.DataFrame(table).to_csv(root / "zoo.csv", index=False, **options)


def refusal(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        index(root)
    return str(caught.value)


EXPECTED = {
    (f"pics/{name}/{serial:03}.png", label, ("train", "test")[serial % 2])
    for label, name in enumerate(("cat", "dog"))
    for serial in range(4)
}


# --- tables


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"], ids=["plain", "of a spreadsheet"])
def test_csv(root, encoding):
    write_csv(root, rows(), encoding=encoding)
    read = index(root)
    assert found(read) == EXPECTED
    assert read.card.class_names == ("a cat", "a dog")
    assert read.card.folder == root
    assert read.card.random_split == ""


def test_parquet(root):
    pd.DataFrame(rows()).to_parquet(root / "zoo.parquet")
    assert found(index(root)) == EXPECTED


def test_without_parts_it_is_split_by_the_seed(root):
    write_csv(root, rows(part=None))
    read = index(root)
    assert read.card.random_split == "own random split, seed 1"
    assert read.table["part"].value_counts().to_dict() == {"train": 4, "val": 2, "test": 2}


def test_class_names_that_look_like_nothing_or_numbers(root):
    table = rows()
    for row in table:
        row["label"] = {"a_cat": "NA", "a_dog": "007"}[row["label"]]
    write_csv(root, table)
    assert index(root).card.class_names == ("007", "NA")


def test_spellings_of_parts(root):
    table = rows()
    for row, part in zip(table, ["Train", "VAL", "valid", "test"] * 2, strict=True):
        row["part"] = part
    write_csv(root, table)
    assert index(root).table["part"].value_counts().to_dict() == {"val": 4, "train": 2, "test": 2}


def test_labels_of_other_types_than_text(root):
    table = pd.DataFrame(rows())
    table["label"] = table["label"].astype("category")
    table.to_parquet(root / "zoo.parquet")
    assert index(root).card.class_names == ("a cat", "a dog")
    table["label"] = [None, *[3] * 7]
    table.to_parquet(root / "zoo.parquet")
    assert refusal(root) == f"row 1 of {root}/zoo.parquet has no label; every image needs both"
    pd.DataFrame({3: ["a.png"]}).rename(columns=str).to_parquet(root / "zoo.parquet")
    assert refusal(root).startswith(f"{root}/zoo.parquet has no column path and label, but 3; its")


def test_a_heading_with_blanks_and_quoted_commas(root):
    (root / "pics/cat/000.png").rename(root / "pics/cat/a,b.png")
    lines = [f'"pics/cat/{name}.png", "cat, tabby"' for name in ("a,b", "001", "002")]
    lines += [f"pics/dog/{serial:03}.png, dog" for serial in range(4)]
    (root / "zoo.csv").write_text("path, label\n" + "\n".join(lines) + "\n")
    assert index(root).card.class_names == ("cat, tabby", "dog")


def test_a_table_goes_before_the_folder_of_the_same_name(root):
    (root / "pics").rename(root / "zoo")
    table = rows()
    for row in table:
        row["path"] = str(row["path"]).replace("pics", "zoo")
    write_csv(root, table[2:])
    assert len(index(root).table) == 6


def test_a_hidden_photo_that_the_table_names_is_there(root):
    (root / "pics/cat/000.png").rename(root / "pics/cat/.000.png")
    table = rows()
    table[4]["path"] = "pics/cat/.000.png"
    write_csv(root, table)
    assert "pics/cat/.000.png" in set(index(root).table["path"])


def test_absolute_paths(root):
    table = rows()
    for row in table:
        row["path"] = str(root / str(row["path"]))
    write_csv(root, table)
    read = index(root)
    assert read.card.folder == root / "pics"
    assert {path for path, _, _ in found(read)} == {
        path.removeprefix("pics/") for path, _, _ in EXPECTED
    }


def test_absolute_and_relative_paths_mixed(root, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    write_classes(elsewhere, bird=2)
    table = rows() + [
        {"path": str(elsewhere / f"bird/{serial:03}.png"), "label": "bird", "part": part}
        for serial, part in enumerate(("train", "test"))
    ]
    write_csv(root, table)
    read = index(root)
    assert len(read.table) == 10
    assert all((read.card.folder / path).is_file() for path in read.table["path"])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"path": "../up.png"}, "row 1 of {file} has the path '../up.png'; paths are relative to"),
        ({"path": "/a/../b.png"}, "row 1 of {file} has the path '/a/../b.png'; write it without "),
        ({"path": "a\\b.png"}, "row 1 of {file} has the path 'a\\\\b.png'; paths are relative to "),
        (
            {"path": "a\x07.png"},
            "table {file} has names with control characters, backslashes or ",
        ),
        ({"path": ""}, "row 1 of {file} has no path; every image needs both"),
        ({"label": " "}, "row 1 of {file} has no label; every image needs both"),
        ({"part": "dev"}, "row 1 of {file} has part 'dev'; allowed are train, val and test in "),
        ({"part": ""}, "row 1 of {file} has part ''; allowed are train, val and test in every "),
        (
            {"path": "pics/dog/001.png"},
            "own data in table {file} lists pics/dog/001.png more than once (as a_dog in train, "
            "a_dog in test); keep one row an image",
        ),
        (
            {"path": "pics/dog/gone.png"},
            "1 of the 8 images in the split of zoo are not under {root}: a dog 1 of 4; the first "
            "are pics/dog/gone.png; mend the table or put the files there",
        ),
    ],
)
def test_rows_that_are_refused(root, change, sentence):
    table = rows()
    table[0] |= change
    write_csv(root, table)
    assert refusal(root).startswith(sentence.format(file=root / "zoo.csv", root=root))


def test_columns_that_are_absent(root):
    (root / "zoo.csv").write_text("path;label\na.png;cat\n")
    assert refusal(root) == (
        f"{root}/zoo.csv has no column path and label, but path;label; its columns are path (or "
        "file_name), label and perhaps part (or split), separated by commas in a CSV"
    )


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("zoo.csv", b"", "{file} has no column path and label, but none; its columns are path "),
        (
            "zoo.csv",
            b"path,label\na, b.png,cat\n",
            "cannot read {file} (row 1 has more cells than the heading; put text with commas into ",
        ),
        ("zoo.csv", b"path,label\na.png\n", "row 1 of {file} has no label; every image needs both"),
        ("zoo.csv", b"path,label\n", "{file} has no rows; give it one for each image"),
        (
            "zoo.csv",
            "path,label\na.png,Möwe\n".encode("latin-1"),
            "cannot read {file} (it is no text in UTF-8: save it as UTF-8); write the table again",
        ),
        (
            "zoo.csv",
            b"path,label\na.png,cat\na.png,dog\n",
            "own data in table {file} lists a.png more than once (as cat, dog); keep one row ",
        ),
        ("zoo.csv", b'path,label\n"a,cat\n', "cannot read {file} (unexpected end of data"),
        ("zoo.parquet", b"none", "cannot read {file} ("),
    ],
)
def test_tables_that_are_none(root, name, content, sentence):
    (root / name).write_bytes(content)
    assert refusal(root).startswith(sentence.format(file=root / name))


# --- Hugging Face imagefolders


def write_metadata(file: Path, table: Rows) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    match file.suffix:
        case ".csv":
            pd.DataFrame(table).to_csv(file, index=False)
        case ".jsonl":
            file.write_text("".join(json.dumps(row) + "\n" for row in table))
        case ".parquet":
            pd.DataFrame(table).to_parquet(file)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_metadata_in_the_root(tmp_path, suffix):
    write_classes(tmp_path / "zoo/pics", cat=4, dog=4)
    write_metadata(tmp_path / f"zoo/metadata.{suffix}", rows("file_name", "split"))
    read = index(tmp_path)
    assert found(read) == EXPECTED
    assert read.card.folder == tmp_path / "zoo"


def test_metadata_in_the_root_beside_parts_and_other_folders(tmp_path):
    for part in ("train", "test"):
        write_classes(tmp_path / "zoo" / part, cat=2, dog=2)
    (tmp_path / "zoo/notes").mkdir()
    table = [
        {"file_name": f"{part}/{name}/{serial:03}.png", "label": name}
        for part in ("train", "test")
        for name in ("cat", "dog")
        for serial in range(2)
    ]
    write_metadata(tmp_path / "zoo/metadata.csv", table)
    read = index(tmp_path)
    assert read.table["part"].value_counts().to_dict() == {"train": 4, "test": 4}
    assert read.card.random_split == ""
    for row in table:  # a column says more than a folder
        row["split"] = "train" if row["file_name"].startswith("test/") else "test"
    write_metadata(tmp_path / "zoo/metadata.csv", table)
    swapped = index(tmp_path).table.set_index("path")["part"]
    assert (swapped["train/cat/000.png"], swapped["test/cat/000.png"]) == ("test", "train")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"file_name": "a.png", "label": }', "line 2 is not JSON: Expecting value"),
        ("[" * 200_000, "line 2 is not JSON: nested too deeply"),
        ('["a.png", "cat"]', "line 2 is no object with the columns as its keys"),
    ],
)
def test_a_line_that_is_no_row_is_named(tmp_path, line, reason):
    file = tmp_path / "zoo/metadata.jsonl"
    write_metadata(file, rows("file_name", "split")[:1])
    file.write_text(f"{file.read_text()}{line}\n")
    assert refusal(tmp_path) == f"cannot read {file} ({reason}); write the table again"


def test_metadata_in_each_part(tmp_path):
    for part, number in (("train", 3), ("validation", 1), ("test", 2)):
        write_classes(tmp_path / "zoo" / part / "pics", cat=number, dog=number)
        table = rows("file_name", None, number)
        write_metadata(tmp_path / "zoo" / part / "metadata.jsonl", table)
    read = index(tmp_path)
    assert read.table["part"].value_counts().to_dict() == {"train": 6, "test": 4, "val": 2}
    assert ("validation/pics/cat/000.png", 0, "val") in found(read)
    assert read.card.random_split == ""


def test_numbers_as_labels_are_class_names_to_be_mapped(tmp_path):
    write_classes(tmp_path / "zoo/pics", cat=4, dog=4)
    table = [row | {"label": int(row["label"] == "a_dog")} for row in rows("file_name", "split")]
    write_metadata(tmp_path / "zoo/metadata.jsonl", table)
    (tmp_path / "names.json").write_text('{"0": "cat", "1": "dog"}')
    read = build_own_index("zoo", tmp_path, OwnData(class_names="names.json"))
    assert read.card.class_names == ("cat", "dog")


def test_metadata_without_labels(tmp_path):
    write_metadata(tmp_path / "zoo/metadata.csv", [{"file_name": "a.png", "text": "a cat"}])
    assert refusal(tmp_path).startswith(
        f"{tmp_path}/zoo/metadata.csv has no column label, but file_name, text; its columns are "
        "path (or file_name), label and perhaps part (or split)"
    )


def test_metadata_of_some_parts_only(tmp_path):
    for part in ("train", "test"):
        write_classes(tmp_path / "zoo" / part, cat=1, dog=1)
    write_metadata(tmp_path / "zoo/train/metadata.csv", rows("file_name", None))
    assert refusal(tmp_path) == (
        f"{tmp_path}/zoo has train/metadata.csv, but no metadata file in test; give each part one, "
        "or none"
    )


def test_two_metadata_files(tmp_path):
    for suffix in ("csv", "jsonl"):
        write_metadata(tmp_path / f"zoo/metadata.{suffix}", rows("file_name", None))
    assert refusal(tmp_path) == (
        f"{tmp_path}/zoo has metadata.csv and metadata.jsonl; keep one of them"
    )


def test_metadata_must_not_leave_its_folder(tmp_path):
    table = rows("file_name", "split")
    table[0]["file_name"] = "/etc/passwd"
    write_metadata(tmp_path / "zoo/metadata.csv", table)
    assert "has the path '/etc/passwd'; paths are relative to the image folder" in refusal(tmp_path)


# --- odd tables


@pytest.mark.parametrize("part", ["split", "Split", "part", "Part", "PART"])
def test_the_column_of_parts_in_any_spelling(root, part):
    write_csv(root, rows(part=part))
    assert found(index(root)) == EXPECTED
    assert index(root).card.random_split == ""


@pytest.mark.parametrize("part", ["split", "Split", "part", "Part"])
def test_the_column_of_parts_of_metadata_in_any_spelling(tmp_path, part):
    write_classes(tmp_path / "zoo/pics", cat=4, dog=4)
    table = pd.DataFrame(rows("File_Name", part))
    table.to_csv(tmp_path / "zoo/metadata.csv", index=False)
    assert found(index(tmp_path)) == EXPECTED


def test_two_columns_of_parts(root):
    write_csv(root, [{**row, "Split": "train"} for row in rows()])
    assert refusal(root) == (
        f"{root}/zoo.csv has the columns part and Split, which say the same; keep one of them"
    )


def test_columns_that_are_not_read_are_named_once(root):
    write_csv(root, [{**row, "width": 3, "author": "me"} for row in rows()])
    read = index(root)
    assert found(read) == EXPECTED
    assert read.card.findings.sentences() == ["columns that are not read: width, author"]


@pytest.mark.parametrize(
    ("label", "sentence"),
    [
        ("cat|dog", "has the label 'cat|dog', which is several"),
        ("cat;dog", "has the label 'cat;dog', which is several"),
        ("['cat', 'dog']", "has the label \"['cat', 'dog']\", which is several"),
        (["cat", "dog"], "has 2 labels"),
        ([], "has 0 labels"),
        (0.5, "has the label 0.5, which is no class; give it a name"),
        (pd.NaT, "has no label; every image needs both"),
    ],
)
def test_labels_that_are_no_class(root, label, sentence):
    table = rows()
    if isinstance(label, str):
        table[2]["label"] = label
        write_csv(root, table)
        file = "zoo.csv"
    else:
        for row in table:
            row["label"] = {list: ["a_cat"], float: 1.0}.get(type(label), pd.Timestamp(2026, 1, 1))
        table[2]["label"] = label
        pd.DataFrame(table).to_parquet(root / "zoo.parquet")
        file = "zoo.parquet"
    assert refusal(root).startswith(f"row 3 of {root}/{file} {sentence}")


@pytest.mark.parametrize("label", [b"cat", {"name": "cat"}])
def test_labels_that_are_no_text(root, label):
    pd.DataFrame([{**row, "label": label} for row in rows()]).to_parquet(root / "zoo.parquet")
    assert refusal(root) == (
        f"row 1 of {root}/zoo.parquet has the label {label!r}, which is no text; write its name"
    )


def test_a_list_of_one_label_is_that_label(root):
    table = [{**row, "label": [row["label"]]} for row in rows()]
    pd.DataFrame(table).to_parquet(root / "zoo.parquet")
    assert found(index(root)) == EXPECTED


@pytest.mark.parametrize("kind", ["int64", "float64", "Int64", "str"])
def test_numbers_in_the_place_of_names(root, kind):
    table = pd.DataFrame(rows())
    table["label"] = table["label"].map({"a_cat": 0, "a_dog": 1}).astype(kind)
    table.to_parquet(root / "zoo.parquet")
    assert refusal(root) == (
        "all classes are numbers (0, 1), which say nothing in a prompt; name in "
        "own_data.class_names a file with a mapping from class folder (or label) to class name, "
        "even if the numbers are the names"
    )
    (root / "names.yml").write_text("0: a cat\n1: a dog\n")
    mapped = build_own_index("zoo", root, OwnData(class_names="names.yml"))
    assert found(mapped) == EXPECTED
    assert mapped.card.class_names == ("a cat", "a dog")


def test_a_path_whose_accents_are_encoded_otherwise_than_the_files_is_told_so(root):
    composed, apart = (unicodedata.normalize(form, "pics/dog/é.png") for form in ("NFC", "NFD"))
    (root / "pics/dog/000.png").rename(root / apart)
    write_csv(
        root, [row | {"path": row["path"].replace("pics/dog/000.png", composed)} for row in rows()]
    )
    assert f"{composed!a} looks like the file {apart!a}" in refusal(root)
