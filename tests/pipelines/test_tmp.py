import time, pytest, json, shutil
from pathlib import Path
from pipelines.project import *

CASES = {
    "unknown method": dict(methods=["coop", "qcop"]),
    "unknown method str": dict(methods="coop+qcop"),
    "empty": dict(methods=[]),
    "unknown dataset": dict(dataset="demo_count"),
    "unknown key": dict(sedd=3),
    "unknown nested": dict(features={"view": 3}),
    "unknown recipe key": dict(recipes={"coop": {"training": {"epoch": 3}}}),
    "wrong type": dict(shots="many"),
    "wrong type2": dict(features={"crop_scale": [0.5]}),
    "wrong literal": dict(protocol="base2new"),
    "zero shots": dict(shots=0),
    "shots": dict(shots=9),
    "quant": dict(recipes={"zero_shot": {"quantize": {"bits": 1}}}),
    "csc": dict(recipes={"coop": {"prompt": {"class_specific": True}}}),
    "circle": dict(recipes={"coop": {"extends": "qcoop"}}),
    "init": dict(recipes={"coop": {"prompt": {"init": "a photo of"}}}),
    "long": dict(recipes={"coop": {"prompt": {"init": None, "length": 76}}}),
    "templates": dict(recipes={"zero_shot": {"prompt": {"templates": "phot"}}}),
    "bits": dict(recipes={"qcoop": {"quantize": {"bits": 9}}}),
    "bad crop": dict(features={"crop_scale": [0.9, 0.5]}),
    "dev": dict(device="cuda"),
    "source": dict(clip={"source": "embeded"}),
    "source2": dict(clip={"source": "local-dir:/nope"}),
    "name": dict(clip={"name": "My Clip"}),
    "recipe not mapping": dict(recipes={"coop": 3}),
    "methods int": dict(methods=3),
    "recipe no method": dict(recipes={"mine": {"title": "x"}}, methods=["mine"]),
    "ext unknown": dict(recipes={"mine": {"extends": "coopp"}}, methods=["mine"]),
    "unselected broken": dict(recipes={"mine": {"extends": "coopp"}}),
    "seed float": dict(seed=1.5),
    "seed str": dict(seed="abc"),
    "lr neg": dict(recipes={"coop": {"training": {"lr": -1}}}),
    "prompt none": dict(recipes={"coop": {"prompt": None}}),
    "method name in recipe": dict(recipes={"coop": {"method": "cop"}}),
    "dataset root": dict(dataset="caltech101"),
}


@pytest.mark.parametrize("name", CASES)
def test_a(project, name, capsys):
    from kedro.framework.cli.utils import KedroCliError

    try:
        project.run(CASES[name])
        out = "NO ERROR"
    except BaseException as e:
        out = f"{type(e).__module__}.{type(e).__name__}: {e}"
    with capsys.disabled():
        print(
            "\n##",
            name,
            "\n  ",
            out[:600],
            "\n  ",
            [f for f in project.files() if "04" in f or "06" in f][:8],
        )
