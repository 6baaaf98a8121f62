import time, pytest, json, shutil, os, sys, subprocess
from pathlib import Path
from pipelines.project import *
import importlib


def truncated_weights(p, tiny):
    f = p.root / "w"
    shutil.copytree(tiny, f)
    w = f / "open_clip_model.safetensors"
    w.write_bytes(w.read_bytes()[:5000])
    p.run(dict(clip={"source": f"local-dir:{f}", "name": "tiny"}))


def other_arch(p, tiny):
    f = p.root / "w"
    shutil.copytree(tiny, f)
    c = json.loads((f / "open_clip_config.json").read_text())
    c["model_cfg"]["text_cfg"]["width"] = 64
    (f / "open_clip_config.json").write_text(json.dumps(c))
    p.run(dict(clip={"source": f"local-dir:{f}", "name": "tiny"}))


def no_weights(p, tiny):
    f = p.root / "w"
    f.mkdir()
    p.run(dict(clip={"source": f"local-dir:{f}", "name": "tiny"}))


def other(p, tiny, *pipes):
    import torch
    from safetensors.torch import load_file, save_file

    T = dict(clip={"source": f"local-dir:{tiny}", "name": "tiny"})
    p.run(T)
    f = p.root / "w2"
    shutil.copytree(tiny, f)
    w = load_file(f / "open_clip_model.safetensors")
    w["text_projection"] = w["text_projection"] * 1.5
    save_file(w, f / "open_clip_model.safetensors")
    p.run(dict(clip={"source": f"local-dir:{f}", "name": "tiny"}), pipelines=pipes)


def export_other(p, t):
    other(p, t, "quantization_export")


def eval_other(p, t):
    other(p, t, "evaluation")


def train_other(p, t):
    other(p, t, "prompt_training")


def all_other(p, t):
    other(p, t)


def no_store(p, t):
    p.run()
    shutil.rmtree(p.root / "data/04_feature/store")
    p.run(pipelines=("evaluation",))


def no_store_train(p, t):
    p.run()
    shutil.rmtree(p.root / "data/04_feature/store")
    p.run(pipelines=("prompt_training",))


def eval_first(p, t):
    p.run(pipelines=("evaluation",))


def train_first(p, t):
    p.run(pipelines=("prompt_training",))


def report_first(p, t):
    p.run(pipelines=("reporting",))


def export_first(p, t):
    p.run(pipelines=("quantization_export",))


def data_file(p, t):
    shutil.rmtree(p.root / "data")
    (p.root / "data").write_text("x")
    p.run({"dataset_root": str(p.root / "raw")})


def data_file2(p, t):
    shutil.rmtree(p.root / "data")
    (p.root / "data").write_text("x")
    p.run()


def models_file(p, t):
    (p.root / "data/06_models").write_text("x")
    p.run()


def store_file(p, t):
    (p.root / "data/04_feature").write_text("x")
    p.run()


def report_file(p, t):
    (p.root / "data/08_reporting").write_text("x")
    p.run()


def fig_file(p, t):
    (p.root / "data/08_reporting").mkdir()
    (p.root / "data/08_reporting/figures").write_text("x")
    p.run()


def dir_for_file(p, t):
    (p.root / "data/08_reporting/report.html").mkdir(parents=True)
    p.run()


def dir_for_prompt(p, t):
    p.path("06_models", "coop/prompt.safetensors").mkdir(parents=True)
    p.run()


def dir_for_ckpt(p, t):
    p.path("06_models", "checkpoints/coop.safetensors").mkdir(parents=True)
    p.run()


def local_mismatch(p, t):
    (p.root / "conf/local/parameters.yml").write_text("protocol: few_shot\n")
    p.run()


def bad_yaml(p, t):
    (p.root / "conf/local/parameters.yml").write_text("seed: [1\n")
    p.run()


def local_unknown(p, t):
    (p.root / "conf/local/parameters.yml").write_text("sed: 1\n")
    p.run()


def cwd(p, t):
    os.chdir(p.root / "conf")
    bootstrap_project(p.root)
    with KedroSession.create(p.root, runtime_params=QUICK) as s:
        s.run()
    print(list((p.root / "conf").rglob("*"))[:5])


def bad_pipeline(p, t):
    p.run(pipelines=("evalution",))


def record_broken(p, t):
    p.run()
    p.path("08_reporting/records", "coop.json").write_text("{")
    p.run(pipelines=("reporting",))


def parallel_bad(p, t):
    r = subprocess.run(
        [
            sys.executable,
            "-m",
            "pipelines.project",
            str(p.root),
            json.dumps(dict(clip={"source": "local-dir:/nope"})),
        ],
        cwd="/work/main/tests",
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": "/work/main/tests"},
    )
    raise RuntimeError(r.stdout[-300:] + r.stderr[-1500:])


def parallel_bad2(p, t):
    r = subprocess.run(
        [sys.executable, "-m", "pipelines.project", str(p.root), json.dumps(dict(shots=9))],
        cwd="/work/main/tests",
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": "/work/main/tests"},
    )
    raise RuntimeError(r.stdout[-300:] + r.stderr[-1500:])


FNS = [
    truncated_weights,
    other_arch,
    no_weights,
    export_other,
    eval_other,
    train_other,
    all_other,
    no_store,
    no_store_train,
    eval_first,
    train_first,
    report_first,
    export_first,
    data_file,
    data_file2,
    models_file,
    store_file,
    report_file,
    fig_file,
    dir_for_file,
    dir_for_prompt,
    dir_for_ckpt,
    local_mismatch,
    bad_yaml,
    local_unknown,
    cwd,
    bad_pipeline,
    record_broken,
    parallel_bad,
    parallel_bad2,
]


@pytest.mark.parametrize("fn", FNS)
def test_a(project, fn, capsys, tiny_clip_folder):
    c = os.getcwd()
    try:
        fn(project, tiny_clip_folder)
        out = "NO ERROR"
    except BaseException as e:
        out = f"{type(e).__module__}.{type(e).__name__}: {e}"
    os.chdir(c)
    with capsys.disabled():
        print(
            "\n##",
            fn.__name__,
            "\n  ",
            out[:2000],
            "\n  ",
            [f for f in (project.files() if (project.root / "data").is_dir() else [])][-3:],
            [str(f) for f in project.root.rglob(".*") if f.name != ".telemetry"],
        )
