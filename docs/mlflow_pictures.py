"""Make the pictures of MLflow's pages from a project with registered models, beside this file.

    python docs/mlflow_pictures.py [project] [model]

MLflow's own server answers on this machine alone. Between it and a Chromium without a window stands
a proxy that puts a few lines into the page: they close what a visitor would click away, and tell
when the page has stopped moving.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

import mlflow
from pictures import BROWSERS, DOCS, LIMIT, PROJECT, make
from PIL import Image

FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --disable-sync --no-first-run
    --disable-background-networking --disable-component-update --hide-scrollbars"""
START = 60  # seconds that the server may take
COLOURS = 128  # of a picture: pages have few
STATE = {
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": True,
    "mlflow.workflowType_v1": "machine_learning",
    "mlflow.telemetry.enabled_v1": False,
}
CLOSED = ("Visualizations", "Parameters", "Artifacts")  # parts of a comparison that are folded away
# The browser takes its picture once every image is loaded; the proxy keeps back the image `hold`
# until nothing has changed for three seconds.
HEAD = """<head>
<style>[data-assistant-ui] { display: none !important }</style>
<script>
    for (const [key, value] of Object.entries(%s)) localStorage.setItem(key, JSON.stringify(value));
    new Image().src = "/hold" + Math.random();
    const closed = new Set(%s);
    let before, still = 0;
    setInterval(() => {
        for (const part of document.querySelectorAll("[aria-expanded=true]"))
            if (closed.delete(part.textContent.trim())) part.click();
        const now = document.getElementById("root").outerHTML;
        const there = document.body.innerText.length > 400; // more than the bar at the side
        still = now === before && there ? still + 1 : 0;
        if (still === 3) fetch("/settled");
        before = now;
    }, 1000);
</script>"""


def main(project: Path, name: str) -> None:
    """Write the pictures, or say in one sentence what is missing."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit("there is no browser to draw MLflow's pages with: install chromium")
    if not (project / "mlflow.db").is_file():
        sys.exit(f"there is no mlflow.db in {project}: finish a make run first")
    uri = f"sqlite:///{project / 'mlflow.db'}"
    pages = {
        "mlflow-runs": (compared_runs(uri), "1720,960"),
        "mlflow-model": (f"models/{name}", "1300,1150"),
        "mlflow-version": (f"models/{name}/versions/{champion(uri, name)}", "1300,1000"),
    }
    with (
        tempfile.TemporaryDirectory() as folder,
        served(uri, project) as server,
        proxied(server) as (address, settled),
    ):
        for picture, (page, size) in pages.items():
            settled.clear()
            shot = Path(folder, f"{picture}.png")
            where = (f"--user-data-dir={folder}/profile", f"--window-size={size}")
            make(
                shot, browser, *FLAGS.split(), *where, f"--screenshot={shot}", f"{address}#/{page}"
            )
            small = Image.open(shot).convert("RGB").quantize(COLOURS)
            small.save(DOCS / f"{picture}.png", optimize=True)


def compared_runs(uri: str) -> str:
    """Find the page that compares the methods of the newest run that scored several."""
    client = mlflow.MlflowClient(uri, uri)
    experiment = client.get_experiment_by_name("vlprompt").experiment_id
    runs = client.search_runs([experiment], "metrics.harmonic_mean > 0")
    if not runs:
        sys.exit(f"no run with base and new classes in {uri}: finish a make run first")
    parent = runs[0].data.tags["mlflow.parentRunId"]
    beside = [r.info.run_id for r in runs if r.data.tags["mlflow.parentRunId"] == parent]
    asked = f"runs={quote(json.dumps(beside))}&experiments={quote(json.dumps([experiment]))}"
    return f"compare-runs?{asked}"


def champion(uri: str, name: str) -> str:
    """Return the version whose page is shown."""
    client = mlflow.MlflowClient(uri, uri)
    try:
        return client.get_model_version_by_alias(name, "champion").version
    except mlflow.exceptions.MlflowException as error:
        sys.exit(f"{name} has no champion in {uri} ({error}): register and promote one first")


@contextmanager
def served(uri: str, project: Path) -> Iterator[str]:
    """Give the address of an MLflow server on this store."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    address = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command, cwd=project, env=environment, **quiet) as server:
        try:
            for _ in range(10 * START):
                with suppress(OSError), urlopen(f"{address}/health"):
                    break
                if server.poll() is not None:
                    sys.exit(f"MLflow's server does not start on {uri}")
                time.sleep(0.1)
            yield address
        finally:
            server.terminate()


@contextmanager
def proxied(server: str) -> Iterator[tuple[str, threading.Event]]:
    """Give an address that shows pages with `HEAD`, and the event of a page at rest."""
    settled = threading.Event()
    head = (HEAD % (json.dumps(STATE), json.dumps(CLOSED))).encode()

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/settled":
                settled.set()
            elif self.path.startswith("/hold"):
                settled.wait(LIMIT / 2)
            self.forward(None)

        def do_POST(self) -> None:
            self.forward(self.rfile.read(int(self.headers.get("Content-Length", 0))))

        def forward(self, body: bytes | None) -> None:
            kind = self.headers.get("Content-Type", "application/json")
            try:
                answer = urlopen(Request(server + self.path, body, {"Content-Type": kind}))
            except HTTPError as error:
                answer = error
            with answer:
                content = answer.read()
                if self.path == "/":
                    content = content.replace(b"<head>", head, 1)
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.headers["Content-Type"] or "text/plain")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            """Say nothing: requests are no news."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{proxy.server_port}/", settled
        finally:
            proxy.shutdown()


if __name__ == "__main__":
    given = sys.argv[1:] + [str(PROJECT), "demo_aerial.maple"][len(sys.argv) - 1 :]
    main(Path(given[0]).resolve(), given[1])
