"""The command vlprompt: quick to answer, and what `inspect` says of a file is what is in it."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from command_line import vlprompt
from export.packed_prompts import CLIP, CONTEXT, qcoop
from fresh_python import printed
from vlprompt_pipeline.apps import COMMANDS
from vlprompt_pipeline.export import DenseTensor, PackedPrompt, pack
from vlprompt_pipeline.export.tensors import ProjectedTensor, StructuredTensor
from vlprompt_pipeline.token_table import embedded_weights, read_token_table

HEAVY = {"torch", "mlflow", "kedro", "pandas", "numpy", "pydantic", "open_clip"}
QUICK = [
    (["--help"], 0),
    (["--version"], 0),
    *[([name, "--help"], 0) for name in COMMANDS],
    (["no-such-command"], 2),
    (["predict"], 2),
    (["predict", "no/such/folder", "--model", "pets.coop"], 2),
    (["predict", ".", "--page"], 2),
    (["predict", "-", "."], 2),
    (["inspect", "no/such/file.vlp"], 2),
    (["export", "pets.coop", "shipped", "--web-runtime", __file__], 2),
]


@pytest.mark.parametrize(("arguments", "status"), QUICK, ids=[" ".join(a) for a, _ in QUICK])
def test_help_and_wrong_arguments_import_nothing_heavy(arguments, status):
    code = (
        "import sys; from vlprompt_pipeline.apps import main\n"
        f"try:\n main({arguments!r}, 'vlprompt')\n"
        "except SystemExit as end:\n"
        f" print(end.code, sorted({HEAVY!r} & set(sys.modules)))\n"
    )
    assert printed(code).splitlines()[-1] == f"{status} []"


@pytest.mark.parametrize("command", COMMANDS)
def test_an_example_of_the_help_has_its_own_lines(command):
    said = vlprompt(command, "--help")
    assert "\\b" not in said


def test_inspect_needs_no_torch(tmp_path):
    file = tmp_path / "prompt.vlp"
    file.write_bytes(pack(qcoop()))
    code = (
        "import sys; from vlprompt_pipeline.apps import main\n"
        f"main(['inspect', {str(file)!r}], standalone_mode=False)\n"
        "assert not {'torch', 'mlflow', 'kedro', 'pandas'} & set(sys.modules)"
    )
    printed(code)


def test_inspect_tells_method_tensors_sizes_and_hashes(tmp_path):
    data = pack(qcoop(bits=2))
    file = tmp_path / "prompt.vlp"
    file.write_bytes(data)
    found = json.loads(vlprompt("inspect", "--json", file))
    assert found["method"] == "coop"
    assert found["sha256"] == hashlib.sha256(data).hexdigest()
    assert found["clip_sha256"] == CLIP[:16]
    assert found["file_bytes"] == len(data)
    # 4 x 512 indices of 2 bits, and four entries of 16 bits
    assert found["payload_bits"] == 4 * 512 * 2
    assert found["payload_bytes"] == 4 * 512 * 2 // 8 + 8
    assert found["fp16_bytes"] == 4 * 512 * 2
    (tensor,) = found["tensors"]
    assert tensor == {
        "name": "context",
        "shape": [4, 512],
        "encoding": "2-bit",
        "codebooks": 1,
        "bytes": 520,
    }
    text = vlprompt("inspect", file)
    assert "context: 4 × 512, 2-bit, 1 codebook(s), 520 bytes" in text
    assert f"{len(data):,} bytes" in text


def test_inspect_says_what_the_number_of_the_clip_is(tmp_path):
    prompt = PackedPrompt("coop", {}, CLIP, CONTEXT, {"clip": -7, "seed": 1})
    lines = inspected(tmp_path, pack(prompt))["text"].splitlines()
    said = f"weights {CLIP[:16]}…; number -7 of weights, model, preprocessing and tokenizer"
    assert [line.split(maxsplit=1) for line in lines if "-7" in line] == [["CLIP", said]]
    assert ["seed", "1"] in [line.split() for line in lines]


def of_embedded(tensors: dict, clip: str | None = None) -> bytes:
    clip = clip or hashlib.sha256(embedded_weights().read_bytes()).hexdigest()
    return pack(PackedPrompt("coop", tensors, clip, CONTEXT))


def inspected(tmp_path, data: bytes, *options: str) -> dict:
    (tmp_path / "prompt.vlp").write_bytes(data)
    arguments = ("inspect", tmp_path / "prompt.vlp", *options)
    return json.loads(vlprompt(*arguments, "--json")) | {"text": vlprompt(*arguments)}


def test_inspect_gives_the_words_nearest_to_a_context(tmp_path):
    table = read_token_table(embedded_weights(), "")
    words = [table.texts.index(word) for word in ("photo", "red", "circle")]
    context = DenseTensor((3 * table.embeddings[words]).astype(np.float16))
    found = inspected(tmp_path, of_embedded({"context": context}))
    assert [near[0]["text"] for near in found["words"]] == ["photo", "red", "circle"]
    assert "words    1: photo 1.00, " in found["text"]
    assert "\n         3: circle 1.00, " in found["text"]


def test_inspect_tells_of_scaled_matrices_and_of_random_directions(tmp_path):
    half = np.float16
    structured = StructuredTensor(
        shape=(2, 4),
        indices=np.array([[0, 1, 1], [1, 0, 1]], np.uint8),
        codebook=np.array([-1, 1], half),
        rows=np.array([1, 2], half),
        columns=np.array([1, 2, 3], half),
        kept=np.array([[5], [6]], half),
        kept_columns=np.array([1]),
    )
    found = inspected(tmp_path, of_embedded({"context": structured}))
    (tensor,) = found["tensors"]
    # codebook 4, scales 4 and 6, kept column 4, six indices of a bit 1
    assert (tensor["encoding"], tensor["bytes"]) == ("1-bit", 4 + 4 + 6 + 4 + 1)
    assert found["payload_bits"] == 6 + 2 * 16
    assert "context: 2 × 4, 1-bit" in found["text"]
    assert found["no_words"] == "its context is no sequence of tokens"

    projected = ProjectedTensor((4, 128), np.zeros(60, np.uint8), half(0.01), seed=1)
    found = inspected(tmp_path, of_embedded({"context": projected}))
    (tensor,) = found["tensors"]
    assert (tensor["shape"], tensor["encoding"], tensor["bytes"]) == ([4, 128], "4-bit", 32)
    assert found["fp16_bytes"] == 2 * 60
    assert found["no_words"].startswith("its context changes words of the recipe")
    table = read_token_table(embedded_weights(), "")
    start = table.embeddings[[table.texts.index("red")] * 4].astype(half)
    tensors = {"context": projected, "context.initial": DenseTensor(start)}
    found = inspected(tmp_path, of_embedded(tensors))
    vectors = start.astype(np.float32) + projected.decode()
    nearest = [[word.text for word in row] for row in table.nearest(vectors, 5)]
    assert [[word["text"] for word in row] for row in found["words"]] == nearest


def test_inspect_needs_the_clip_of_the_prompt_for_words(tmp_path):
    found = inspected(tmp_path, pack(qcoop()))
    assert "words    none: give the folder of its CLIP with --clip" in found["text"]
    clip = embedded_weights().parent
    said = vlprompt("inspect", tmp_path / "prompt.vlp", "--clip", clip, status=1)
    assert f"is not the CLIP with the weights {CLIP[:16]}" in said


def test_inspect_tells_of_parts_that_do_not_fit_together(tmp_path):
    def dense(*shape):
        return DenseTensor(np.ones(shape, np.float16))

    projected = ProjectedTensor((4, 128), np.zeros(3, np.uint8), np.float16(1), 1)
    for tensors in (
        {"context.a": dense(4, 2), "context.b": dense(3, 128), "context.initial": dense(4, 128)},
        {"context.a": dense(4, 2), "context.b": dense(2, 128), "context.initial": dense(5, 128)},
        {"context.a": dense(2**20, 1), "context.b": dense(1, 2**20), "context.initial": dense(1)},
        {"context.a": dense(), "context.b": dense(), "context.initial": dense(4, 128)},
        {"context": projected, "context.initial": dense(5, 128)},
    ):
        found = inspected(tmp_path, pack(PackedPrompt("coop", tensors, CLIP, CONTEXT)))
        assert "its context is of parts that do not fit together" in found["text"]


def test_inspect_refuses_an_altered_file_in_a_sentence(tmp_path):
    file = tmp_path / "prompt.vlp"
    file.write_bytes(pack(qcoop())[:-1] + b"\0")
    assert "prompt.vlp: the prompt file was altered" in vlprompt("inspect", file, status=1)


def test_predict_refuses_a_folder_without_images_before_mlflow_is_asked(tmp_path):
    said = vlprompt("predict", tmp_path, "--model", "pets.coop", status=1)
    assert f"no image files in {tmp_path}" in said


def test_predict_makes_no_database_where_none_is(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").touch()
    said = vlprompt("predict", "a.png", "--model", "pets.coop", status=1)
    assert "mlflow.db is not there; run in the project's folder, or name" in said
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize(
    "command",
    [
        "import vlprompt_pipeline.cli",
        "import vlprompt_pipeline.apps as apps; apps.main(['models', '--help'], standalone_mode=0)",
    ],
)
def test_a_terminal_in_latin_1_shows_question_marks_for_what_it_lacks(command):
    shown = printed(f"{command}; print('H \u2191, A\u017c')", PYTHONIOENCODING="latin-1")
    assert shown.splitlines()[-1] == "H ?, A?"


def test_streams_of_a_notebook_stay_as_they_are():
    printed("import io, sys; sys.stdout = io.StringIO(); import vlprompt_pipeline.cli")
