"""Where a result is made: versions, code, machine, and settings that the last bits depend on."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from PIL import features

from vlprompt_pipeline import __version__
from vlprompt_pipeline.parsing import Frozen
from vlprompt_pipeline.processes import usable_cores

PACKAGES = (
    "torch",
    "torchvision",
    "open_clip_torch",
    "numpy",
    "pandas",
    "pyarrow",
    "pillow",
    "safetensors",
    "kedro",
    "kedro-datasets",
    "mlflow",
)
_SHOWN = 20  # changed files that are named


class Code(Frozen):
    """The checkout that the package was imported from.

    Attributes:
        commit: hash of its commit, or none where `remark` says why it is not known.
        dirty: whether anything differs from the commit, files that git does not know included.
        changed: these files, the first 20.
        remark: why there is no commit.
    """

    commit: str | None = None
    dirty: bool | None = None
    changed: tuple[str, ...] = ()
    remark: str = ""


class Hardware(Frozen):
    """The machine; `usable_cores` are those this process may run on, memory is in bytes."""

    cpu: str
    cores: int
    usable_cores: int
    memory_bytes: int
    gpus: tuple[str, ...] = ()


class Computing(Frozen):
    """Settings of PyTorch that decide in which order numbers are added up."""

    threads: int
    interop_threads: int
    cpu_capability: str
    deterministic_algorithms: bool
    float32_matmul_precision: str
    cudnn_deterministic: bool
    cudnn_benchmark: bool
    cuda: str | None
    cudnn: int | None


class Environment(Frozen):
    """Code, versions, hardware and settings of a process."""

    versions: dict[str, str]
    code: Code
    platform: str
    hardware: Hardware
    computing: Computing


def environment() -> Environment:
    """Return the environment of this process; what cannot change is read once."""
    return Environment(
        versions=_versions(),
        code=code_state(Path(__file__).parents[1]),
        platform=platform.platform(),
        hardware=_hardware(),
        computing=Computing(
            threads=torch.get_num_threads(),
            interop_threads=torch.get_num_interop_threads(),
            cpu_capability=torch.backends.cpu.get_cpu_capability(),
            deterministic_algorithms=torch.are_deterministic_algorithms_enabled(),
            float32_matmul_precision=torch.get_float32_matmul_precision(),
            cudnn_deterministic=torch.backends.cudnn.deterministic,
            cudnn_benchmark=torch.backends.cudnn.benchmark,
            cuda=torch.version.cuda,
            cudnn=torch.backends.cudnn.version(),
        ),
    )


@lru_cache
def code_state(package: Path) -> Code:
    """Return the commit of the checkout that holds the folder `package`; read once.

    A folder that lies in a checkout without being part of it, as in a virtual environment, has no
    commit of its own.
    """
    git = shutil.which("git")
    if git is None:
        return Code(remark="git is not installed")

    def ask(*arguments: str) -> str:
        command = [git, "--no-optional-locks", *arguments]
        text = {"encoding": "utf-8", "errors": "replace"}  # names of files are any bytes
        options = {"cwd": package, "capture_output": True, "timeout": 10, **text}
        return subprocess.run(command, check=True, **options).stdout

    try:
        # the second one fails where the folder is not part of the checkout
        commit, _ = ask("rev-parse", "HEAD", "HEAD:./__init__.py").split()
        status = ask("status", "--porcelain", "--no-renames", "-z")
    except subprocess.CalledProcessError as error:
        message = error.stderr.strip().splitlines()
        return Code(remark=f"not in a git checkout ({message[0] if message else 'git failed'})")
    except subprocess.TimeoutExpired:
        return Code(remark="git did not answer within 10 seconds")
    changed = [entry[3:] for entry in status.split("\0") if entry]
    return Code(commit=commit, dirty=bool(changed), changed=tuple(changed[:_SHOWN]))


@lru_cache
def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version(), "vlprompt_pipeline": __version__}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    versions["torch"] = torch.__version__  # names its build, +cpu or +cu130, which packages do not
    return {**versions, "libjpeg": features.version("jpg") or "not built in"}


@lru_cache
def _hardware() -> Hardware:
    return Hardware(
        cpu=_cpu_model(),
        cores=os.cpu_count() or 1,
        usable_cores=usable_cores(),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        gpus=tuple(map(torch.cuda.get_device_name, range(torch.cuda.device_count()))),
    )


def _cpu_model() -> str:
    listed = Path("/proc/cpuinfo")
    if listed.is_file():
        for line in listed.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
