"""What own classes are called."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.image_datasets.own_data.class_names import name_classes

KEYS = ["n01", "sea_gull", "dog"]


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("sea_gull", "sea gull"),
        ("A320", "A320"),
        ("_wild__cat_", "wild cat"),
        ("T-shirt", "T-shirt"),
    ],
)
def test_names_are_those_of_the_folders_with_spaces(key, name):
    assert name_classes([key], None) == {key: name}


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("names.json", '{"n01": "old_owl"}'),
        ("names.yml", "n01: old_owl\n"),
        ("names.yaml", '"n01": "old_owl"'),
        ("names.csv", "folder,name\nn01,old_owl\n\n"),
        ("names.CSV", "\ufefffolder,name\nn01,old_owl\n"),
    ],
)
def test_a_mapping_names_some_of_them(tmp_path, file, content):
    (tmp_path / file).write_text(content, encoding="utf-8")
    names = name_classes(KEYS, tmp_path / file)
    assert names == {"n01": "old owl", "sea_gull": "sea gull", "dog": "dog"}
    assert list(names) == KEYS


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        ("n.json", '{"dgo": "dog"}', "{file} names classes that are not there (dgo); the classes "),
        ("n.json", '{"dog": 3}', "{file} is not a mapping from class folder (or label) to class "),
        (
            "n.json",
            '{"dog": " "}',
            "{file} is not a mapping from class folder (or label) to class ",
        ),
        ("n.json", "[1]", "{file} is not a mapping from class folder (or label) to class name: "),
        ("n.json", "{", "{file} is not a mapping from class folder (or label) to class name ("),
        ("n.yml", "a: [", "{file} is not a mapping from class folder (or label) to class name ("),
        (
            "n.csv",
            "folder,name\na,b,c\n",
            "{file} is not a mapping from class folder (or label) to",
        ),
        (
            "n.csv",
            "dog,hound\nsea_gull,gull\n",
            "{file} is not a mapping from class folder (or label) to class name (its first row is "
            "the class dog: put a heading above it)",
        ),
        (
            "n.csv",
            f"folder,name\ndog,{'x' * 200_000}\n",
            "{file} is not a mapping from class folder (or label) to class name (field larger",
        ),
        (
            "n.csv",
            'folder,name\ndog,"hound\nsea_gull,gull\n',
            "{file} is not a mapping from class folder (or label) to class name (unexpected end of",
        ),
        (
            "n.yml",
            "? [dog]\n: hound\n",
            "{file} is not a mapping from class folder (or label) to class name (unhashable",
        ),
        (
            "n.txt",
            "dog: cat",
            "{file} is not a mapping from class folder (or label) to class name (",
        ),
    ],
)
def test_mappings_that_are_refused(tmp_path, file, content, sentence):
    (tmp_path / file).write_text(content)
    with pytest.raises(DataError) as caught:
        name_classes(KEYS, tmp_path / file)
    assert str(caught.value).startswith(sentence.format(file=tmp_path / file))


def test_a_mapping_that_is_not_there():
    with pytest.raises(DataError) as caught:
        name_classes(KEYS, Path("/nowhere/names.json"))
    assert str(caught.value) == (
        "cannot read own_data.class_names /nowhere/names.json (No such file or directory); name a "
        "mapping from class folder (or label) to class name in JSON, YAML or CSV"
    )


def test_a_mapping_that_is_no_text(tmp_path):
    (tmp_path / "names.csv").write_bytes(b"folder,name\ncat,ch\xe2t\n")
    with pytest.raises(DataError, match=r"names\.csv \(it is no text in UTF-8: save it as UTF-8\)"):
        name_classes(KEYS, tmp_path / "names.csv")


def test_a_folder_whose_name_is_no_name():
    with pytest.raises(DataError, match="the class '__' has no name; rename it or use a mapping"):
        name_classes(["__"], None)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("names.json", '{"cat": "tabby", "dog": "hound", "cat": "lion"}'),
        ("names.yml", "cat: tabby\ndog: hound\ncat: lion\n"),
        ("names.csv", "folder,name\ncat,tabby\ndog,hound\ncat,lion\n"),
    ],
)
def test_a_class_that_is_named_twice(tmp_path, file, content):
    (tmp_path / file).write_text(content)
    with pytest.raises(DataError, match=r"\(cat stands twice\)$"):
        name_classes(["cat", "dog"], tmp_path / file)


def test_yaml_keys_are_texts_as_they_stand(tmp_path):
    (tmp_path / "names.yaml").write_text("no: Norwegian\n01: one\n1: other\nYes: sure\n1.10: x\n")
    named = name_classes(["01", "1", "1.10", "Yes", "no"], tmp_path / "names.yaml")
    assert named == {"01": "one", "1": "other", "1.10": "x", "Yes": "sure", "no": "Norwegian"}


@pytest.mark.parametrize(("folder", "written"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_a_folder_with_accents_is_found_however_they_are_encoded(tmp_path, folder, written):
    key = unicodedata.normalize(folder, "café")
    mapping = tmp_path / "names.json"
    mapping.write_text(json.dumps({unicodedata.normalize(written, "café"): "coffee house"}))
    assert name_classes([key, "dog"], mapping) == {key: "coffee house", "dog": "dog"}


def test_two_folders_that_differ_in_the_encoding_of_accents_each_have_their_name(tmp_path):
    keys = [unicodedata.normalize(form, "café") for form in ("NFC", "NFD")]
    mapping = tmp_path / "names.json"
    mapping.write_text(json.dumps(dict(zip(keys, ["one", "two"], strict=True))))
    assert list(name_classes(keys, mapping).values()) == ["one", "two"]
