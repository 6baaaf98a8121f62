"""What fits next after a run, as commands that can be copied."""

import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest

from vlprompt_pipeline.hooks.next_steps import (
    Invocation,
    Validated,
    after_cell,
    after_promotion,
    after_registration,
    after_report,
    recommendation,
)
from vlprompt_pipeline.hooks.summary import SummaryHook

GIVEN = {"dataset": "my_photos", "dataset_root": "/home/me/My Pictures"}
METHODS = [
    Validated("zero_shot", "Zero-shot CLIP", 20, 48),
    Validated("linear_probe", "Linear probe", 40, 48),
    Validated("coop", "CoOp", 43, 48),
    Validated("qcoop", "QCoOp, 1 bit", 43, 48),
]


@pytest.fixture(autouse=True)
def in_a_project(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()


def invocation(tmp_path: Path, env: str | None = "photos") -> Invocation:
    return Invocation(tmp_path, env, GIVEN)


def test_the_first_of_the_best_is_taken_and_what_may_be_as_good_is_named():
    assert recommendation(METHODS) == (
        "CoOp, by 43 right answers on 48 validation images; QCoOp, 1 bit (43) may be as good; no "
        "test image was asked"
    )
    two_fewer = Validated("maple", "MaPLe", 41, 48)  # one standard error is 2.1 right answers
    assert "QCoOp, 1 bit (43), MaPLe (41) may be as good" in recommendation([*METHODS, two_fewer])
    assert "may be as good" not in recommendation(METHODS[:1])
    half, near, far = (Validated("m", f"{right} right", right, 100) for right in (50, 45, 44))
    assert "; 45 right (45) may be as good" in recommendation([half, near, far])  # error 5


def test_a_command_is_the_same_again_with_what_is_chosen(tmp_path):
    parameters = {"methods": [m.method for m in METHODS], "clip": {"source": "open_clip:a:b"}}
    lines = after_report(invocation(tmp_path), parameters, METHODS)
    assert list(lines) == ["take", "next"]
    assert shlex.split(lines["next"]) == [
        "kedro",
        "run",
        "--env=photos",
        "--pipelines=register",
        "--params=dataset=my_photos,dataset_root=/home/me/My Pictures,methods=zero_shot+coop",
    ]


def test_the_embedded_clip_leads_to_real_weights_without_its_own_settings(tmp_path):
    given = {**GIVEN, "clip": {"name": "demo", "source": "embedded"}, "methods": "linear_probe"}
    parameters = {"methods": ["linear_probe"], "clip": {"source": "embedded"}}
    lines = after_report(Invocation(tmp_path, "my_settings", given), parameters, ())
    assert "--env=my_settings" in lines["next"] and "--env=photos" in lines["weights"]
    alone = after_report(Invocation(tmp_path, None, given), parameters, METHODS[1:2])
    assert "methods=linear_probe'" in alone["next"], "zero-shot CLIP is not among its methods"
    lines = after_report(Invocation(tmp_path, None, given), parameters, ())
    assert "clip.source=embedded" in lines["next"] and "--env" not in lines["next"]
    assert lines["weights"].endswith(
        "kedro run --env=photos '--params=dataset=my_photos,dataset_root=/home/me/My Pictures'"
    )


def test_another_dataset_or_seed_is_run_with_what_was_given(tmp_path):
    (tmp_path / "pyproject.toml").touch()
    demo = Invocation(tmp_path, None, {"shots": 4, "seed": 3, "methods": "coop"})
    said = "kedro run --params={} (more: docs/README.md)"
    assert after_cell(demo, "demo_aerial", 1) == {"next": said.format("shots=4,dataset=demo_flags")}
    assert after_cell(demo, "demo_flags", 1) == {"next": said.format("shots=4,dataset=demo_aerial")}
    published = Invocation(tmp_path, "vit_b16", {"dataset": "dtd", "seed": 2})
    said = "kedro run --env=vit_b16 --params=dataset=dtd,seed=3 (more: docs/README.md)"
    assert after_cell(published, "dtd", 2) == {"next": said}


def test_the_best_of_the_registered_methods_is_promoted_and_labels(tmp_path):
    models = {"zero_shot": "my_photos.zero_shot", "linear_probe": "my_photos.linear_probe"}
    lines = after_registration(invocation(tmp_path), models, METHODS)
    assert "--pipelines=promote" in lines["next"] and "methods=linear_probe" in lines["next"]
    assert lines["label"] == (
        "vlprompt predict FOLDER --model my_photos.linear_probe@candidate --out labels.csv"
    )
    assert "my_photos.linear_probe" in after_registration(invocation(tmp_path), models, ())["label"]
    done = after_promotion(invocation(tmp_path), ["my_photos.zero_shot", "my_photos.coop"])
    assert "--model my_photos.coop@champion" in done["label"]


def test_no_promotion_is_named_that_has_nothing_to_beat(tmp_path):
    lines = after_registration(
        invocation(tmp_path), {"zero_shot": "my_photos.zero_shot"}, METHODS[:1]
    )
    assert list(lines) == ["label"]


def test_commands_of_the_projects_own_environment_are_called_there(tmp_path):
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/kedro").touch()
    assert invocation(tmp_path, "local").again().startswith(".venv/bin/kedro run '--params=")


def print_summary(project: Path, **parameters: object) -> None:
    """What a run of no method prints that made an empty report."""
    part = SimpleNamespace(filepath=project / "part", load=lambda: "")
    parts = dict.fromkeys(("text", "page", "classes", "table"), part)
    hook = SummaryHook()
    hook._project = project
    hook._parameters = {
        "methods": [],
        "dataset_prefix": "",
        "given": {},
        "extensions": [],
        **parameters,
    }
    catalog = SimpleNamespace(get=lambda name: SimpleNamespace(parts=parts))
    hook.after_pipeline_run({}, SimpleNamespace(all_outputs=lambda: {"report"}), catalog)


def test_where_the_runs_are_is_told_without_the_password(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    tracking = {"enabled": True, "uri": "https://me:secret@host"}
    print_summary(tmp_path, dataset="demo_flags", tracking=tracking)
    assert "runs: https://me:…@host\n" in capsys.readouterr().out


def test_what_follows_a_sweep_is_recorded_although_its_report_is_not(tmp_path, capsys):
    given = {"dataset": "my_photos", "tracking": {"enabled": False, "uri": "sqlite:///a.db"}}
    untracked = {"enabled": False}
    clip = {"source": "open_clip:a:b"}
    print_summary(tmp_path, dataset="my_photos", given=given, tracking=untracked, clip=clip)
    told = capsys.readouterr().out
    assert "--pipelines=register --params=dataset=my_photos,tracking.uri=sqlite:///a.db\n" in told


def test_commands_name_extensions_and_no_project_where_there_is_none(tmp_path):
    (tmp_path / "pyproject.toml").unlink()
    own = Invocation(tmp_path, None, {"shots": 4}, ("taskres", "halves"))
    lines = after_registration(own, {"coop": "my_photos.coop"}, ())
    assert lines["label"].startswith("vlprompt --extensions=taskres+halves predict FOLDER --model")
    assert lines["next"].startswith("python -m vlprompt_pipeline --pipelines=promote --params=")
