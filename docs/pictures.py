"""Make the pictures of the docs from a finished run, beside this file.

The pipeline is Kedro-Viz's own page, built as files, served to a Chromium without a window and
cropped to the graph; the result is the figure of the report as it is. Those of an analysis and the
top of the page of a benchmark report, where these have been run, are shown in fewer colours.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from PIL import Image, ImageChops, ImageOps

DOCS = Path(__file__).resolve().parent
PROJECT = DOCS.parent
RESULT = PROJECT / "data" / "08_reporting" / "headline.png"
ANALYSIS = RESULT.parent / "analysis/demo/demo_aerial/base_to_new/shots16/seed1/figures"
ANALYSED = ("storage", "quantization", "spectrum")
BENCHMARK = RESULT.parent / "benchmark" / "benchmark.html"
BUILT = PROJECT / "build"  # where Kedro-Viz insists on writing
ENVIRONMENT = os.environ | {"PYTHONHASHSEED": "0"}  # one order of nodes, so one layout
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --disable-sync --no-first-run
    --disable-background-networking --disable-component-update --hide-scrollbars
    --window-size=1000,1500 --force-device-scale-factor=1.5"""
MARGIN = 40  # pixels left around the graph
LIMIT = 120  # seconds for the build, and for the browser

# What a visitor would click away: panels, the map, the tour, the news bar.
STATE = {"theme": "light", "showFeatureHints": False, "visible": {"graph": True, "sidebar": False}}
# Put into Kedro-Viz's page. The browser takes its picture once every image is loaded, and the
# server keeps back the image `hold` until the graph has stopped moving for a second.
HEAD = """<head>
<style>
    html { background: #f2f3f5 }
    body { visibility: hidden }
    .pipeline-flowchart { visibility: visible }
</style>
<script>
    localStorage.setItem("KedroViz", JSON.stringify(%s));
    new Image().src = "hold";
    let before;
    setInterval(() => {
        const now = document.querySelector(".pipeline-flowchart__nodes:has(text)")?.closest("svg");
        if (now && now.outerHTML === before) fetch("settled");
        before = now?.outerHTML;
    }, 1000);
</script>"""


def main() -> None:
    """Write the pictures, or say in one sentence what is missing."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit("there is no browser to draw the pipeline with: install chromium")
    if not RESULT.is_file():
        sys.exit(f"there is no {RESULT.relative_to(PROJECT)}: finish a make run first")
    if BUILT.exists():
        sys.exit(f"{BUILT.name}/ is in the way of Kedro-Viz, which builds there: remove it")
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder, "shot.png")
        make(BUILT, Path(sys.executable).with_name("kedro"), "viz", "build")
        index = Path(shutil.move(BUILT, f"{folder}/page")) / "index.html"
        index.write_text(index.read_text().replace("<head>", HEAD % json.dumps(STATE), 1))
        with served(index.parent) as address:
            profile = f"--user-data-dir={folder}/profile"
            make(shot, browser, *FLAGS.split(), profile, f"--screenshot={shot}", address)
        cropped(shot).save(DOCS / "pipeline.png", optimize=True)
        if BENCHMARK.is_file():
            top = Path(folder, "top.png")
            make(top, browser, *FLAGS.split(), profile, f"--screenshot={top}", BENCHMARK.as_uri())
            page = Image.open(top).convert("RGB")  # small marks keep their colours
            page.quantize(256, Image.Quantize.MAXCOVERAGE).save(
                DOCS / "benchmark.png", optimize=True
            )
    shutil.copyfile(RESULT, DOCS / "result.png")
    if ANALYSIS.is_dir():
        for name in ANALYSED:
            picture = Image.open(ANALYSIS / f"{name}.png").convert("RGB").quantize(256)
            picture.save(DOCS / f"analysis-{name}.png", optimize=True)


def make(target: Path, *command: str | Path) -> None:
    """Run a command in the project that makes `target`; what it says is shown if it does not."""
    how = {"cwd": PROJECT, "env": ENVIRONMENT, "timeout": LIMIT, "capture_output": True}
    done = subprocess.run(command, **how, text=True, check=False)
    if not target.exists():  # `kedro viz build` ends with 0 even so
        sys.exit(f"{done.stdout}{done.stderr}\n{command[0]} made no {target.name}, see above")


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Give the address at which this machine alone sees `folder`; a page's scripts need one."""
    settled = threading.Event()

    class Page(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/settled":
                settled.set()
            elif self.path == "/hold":
                settled.wait()
            super().do_GET()

        def log_message(self, *args: object) -> None:
            """Say nothing: requests are no news."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Page, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()


def cropped(shot: Path) -> Image.Image:
    """Return the picture without the empty space around the graph."""
    picture = Image.open(shot).convert("RGB")
    paper = picture.getpixel((0, 0))
    graph = ImageChops.difference(picture, Image.new("RGB", picture.size, paper)).getbbox()
    return ImageOps.expand(picture.crop(graph), MARGIN, paper)


if __name__ == "__main__":
    main()
