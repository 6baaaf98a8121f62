"""A Ray of two nodes in two network namespaces of this machine, of which one is cut off.

Run as root, with iproute2: python tests/sweep/two_nodes.py [--folder]

The nodes have host names and caches of their own. Data is on an S3 server (moto's) and MLflow on a
server of its own, both on the first node; or, with --folder, in a folder that both see. While the
second node works its link goes down. The sweep must go on and end with the files of a sweep without
faults in one process, bit for bit, and with one finished run in MLflow for each cell and one for
each of its methods.
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # where it is run as a script

from pipelines.killed_sweeps import require_one_run_a_cell, require_the_same, results
from pipelines.project import Project
from sweep.commands import Command, small_project, variables
from vlprompt_pipeline.filesystem.copies import CACHE
from vlprompt_pipeline.sweep.engines import RAY_VARIABLES

SEEDS = [*range(1, 9)]
EPOCHS = 40
PORT = 6379
_PLACE = "s3://sweeps/two_nodes"
_RAY = [sys.executable, "-m", "ray.scripts.scripts"]
# as docs/scaling.md starts nodes, but that one is lost after some seconds and not half a minute
_NODES = {
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
}
_NO_JOBS = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # else it starts seven more processes
_PATIENCE = 180.0  # seconds for a node to start


def why_not() -> str:
    """Say what is missing for namespaces; empty if nothing is."""
    if os.name != "posix" or os.geteuid() != 0:
        return "network namespaces need root"
    if not (shutil.which("ip") and shutil.which("unshare")):
        return "network namespaces need iproute2 and unshare"
    made = subprocess.run(["ip", "netns", "add", "vlp-try"], capture_output=True, check=False)
    if made.returncode:
        return "this machine makes no network namespaces"
    subprocess.run(["ip", "netns", "del", "vlp-try"], check=True)
    return ""


@dataclass(frozen=True)
class Node:
    """A namespace with an address and a host name.

    Attributes:
        name: of the namespace and the host.
        address: in the network of both.
    """

    name: str
    address: str

    @property
    def link(self) -> str:
        """Name of its end of the cable."""
        return f"{self.name}-0"

    def inside(self, *command: str) -> list[str]:
        """The command that runs another one in there."""
        named = ["sh", "-c", f'hostname {self.name} && exec "$@"', "sh", *command]
        return ["ip", "netns", "exec", self.name, "unshare", "--uts", *named]

    def start_ray(self, folder: Path, *options: str, given: Mapping[str, str]) -> None:
        """Start a node of Ray with one worker, and wait until it is there."""
        ray = [*_RAY, "start", "--block", "--num-cpus=1"]
        ray += [f"--node-ip-address={self.address}", "--include-log-monitor=False", *options]
        own = {**given, CACHE: str(folder / f"cache of {self.name}")}
        self.start(ray, folder, "Ray runtime started", own | RAY_VARIABLES | _NODES)

    def start(
        self, command: Sequence[str], folder: Path, ready: str, given: Mapping[str, str]
    ) -> None:
        """Start what goes on in there, and wait until it says that it is ready."""
        log = folder / f"{self.name}_{ready[:3]}.txt"
        with log.open("wb") as file:
            process = subprocess.Popen(
                self.inside(*command),
                env=variables() | given,
                stdout=file,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        end = time.monotonic() + _PATIENCE
        while ready not in log.read_text(errors="replace"):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"it cannot be started here:\n{log.read_text()}")
            time.sleep(0.2)

    def cut_off(self) -> None:
        """Pull the cable out."""
        _ip("-n", self.name, "link", "set", self.link, "down")

    def kill_all(self) -> None:
        """End all processes in there, and no other."""
        pids = _ip("netns", "pids", self.name).split()
        for number in pids:
            with suppress(ProcessLookupError):
                os.kill(int(number), signal.SIGKILL)


@contextmanager
def two_nodes() -> Iterator[tuple[Node, Node]]:
    """Two namespaces with a cable between them; at the end all in them is killed."""
    number = os.getpid() % 10_000
    nodes = Node(f"vlp{number}a", "10.231.7.1"), Node(f"vlp{number}b", "10.231.7.2")
    first, second = nodes
    try:
        for node in nodes:
            _ip("netns", "add", node.name)
            _ip("-n", node.name, "link", "set", "lo", "up")
        ends = ["netns", first.name, "type", "veth", "peer", "name", second.link]
        _ip("link", "add", "name", first.link, *ends, "netns", second.name)
        for node in nodes:
            _ip("-n", node.name, "address", "add", f"{node.address}/24", "dev", node.link)
            _ip("-n", node.name, "link", "set", node.link, "up")
        yield nodes
    finally:
        for node in nodes:
            with suppress(subprocess.CalledProcessError):
                node.kill_all()
                _ip("netns", "del", node.name)


def sweep_with_a_node_cut_off(folder: Path, *, on_s3: bool) -> float:
    """Seconds from the cut to the end of the sweep."""
    alone = small_project(folder / "alone", EPOCHS)
    Command.sweep(alone, SEEDS, name="sweep").require_well_ended(600)
    place = {"data_root": _PLACE} if on_s3 else {}
    project = small_project(folder / "project", EPOCHS, place)
    token = [*_RAY, "get-auth-token", "--generate"]
    subprocess.run(token, check=True, capture_output=True, env=variables())
    with two_nodes() as (first, second):
        given = {"RAY_AUTH_MODE": "token"}
        if on_s3:
            given |= _servers(first, folder, project)
        first.start_ray(folder, "--head", f"--port={PORT}", given=given)
        second.start_ray(folder, f"--address={first.address}:{PORT}", given=given)
        options = ["--engine=ray", f"--address={first.address}:{PORT}"]
        here = given | {CACHE: str(folder / "cache of the driver")}
        sweep = Command.sweep(
            project, SEEDS, *options, name="sweep", within=first.inside(), given=here
        )
        _wait_for_work_of(second, project.root / "mlflow.db", sweep)
        done = len(sweep.cells)
        assert done < len(SEEDS) - 1, "it was over too soon"
        second.cut_off()
        begin = time.monotonic()
        sweep.require_well_ended(600)
        seconds = time.monotonic() - begin
        if on_s3:
            bring = f"import s3fs; s3fs.S3FileSystem().get('{_PLACE}/', 'data/', recursive=True)"
            command = first.inside(sys.executable, "-c", bring)
            subprocess.run(command, check=True, cwd=project.root, env=variables() | given)
    assert len(sweep.cells) > done + 1, "the first node has worked on"
    require_the_same(project, results(alone), but="checkpoints" if on_s3 else "")
    require_one_run_a_cell(project, SEEDS)
    return seconds


def _servers(node: Node, folder: Path, project: Project) -> dict[str, str]:
    """Start S3 and MLflow on a node; returns the variables that lead to them."""
    given = {
        "AWS_ENDPOINT_URL": f"http://{node.address}:5555",
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    s3 = [sys.executable, "-m", "moto.server", f"-H{node.address}", "-p5555"]
    node.start(s3, folder, "Running on", {})
    bucket = _PLACE.rpartition("/")[0]
    make = [sys.executable, "-c", f"import s3fs; s3fs.S3FileSystem().mkdir({bucket!r})"]
    subprocess.run(node.inside(*make), check=True, env=variables() | given)
    mlflow = [sys.executable, "-m", "mlflow", "server", f"--host={node.address}", "--port=5001"]
    mlflow += [f"--backend-store-uri=sqlite:///{project.root / 'mlflow.db'}", "--workers=1"]
    mlflow.append(f"--artifacts-destination={folder / 'artifacts'}")
    node.start(mlflow, folder, "Application startup complete", _NO_JOBS)
    return given | {"MLFLOW_TRACKING_URI": f"http://{node.address}:5001"}


def _wait_for_work_of(node: Node, database: Path, sweep: Command) -> None:
    """Return when a run in MLflow is of a process on the node."""
    asked = "SELECT count(*) FROM tags WHERE key = 'vlprompt.process' AND value LIKE ?"
    while True:
        assert sweep.process.poll() is None, f"it ended before:\n{sweep.words}"
        time.sleep(0.2)
        if sweep.cells:  # the database is whole by then
            with closing(sqlite3.connect(database, timeout=60)) as connection:
                if connection.execute(asked, (f"{node.name} %",)).fetchone()[0]:
                    return


def _ip(*words: str) -> str:
    done = subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
    return done.stdout


def main() -> None:
    """Print how long the sweep took from the cut on; ends with an error where it does not end."""
    if reason := why_not():
        sys.exit(reason)
    with tempfile.TemporaryDirectory() as folder:
        seconds = sweep_with_a_node_cut_off(Path(folder), on_s3="--folder" not in sys.argv)
    print(f"one of two nodes cut off: the sweep ended well {seconds:.0f} s later")


if __name__ == "__main__":
    main()
