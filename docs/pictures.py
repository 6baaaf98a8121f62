"""Make the pictures of the docs from a finished run: pipeline.png and result.png beside this file.

The pipeline is drawn by Kedro-Viz and photographed by Chromium without a window: no server of
Kedro-Viz runs, its static build is served to the browser from a folder that is removed again.
"""

from __future__ import annotations

import json
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
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WINDOW = (1000, 1500)  # points; the graph fills its height
SCALE = 1.5  # pixels a point
MARGIN = 40  # pixels left around the graph
LIMIT = 120  # seconds

# What a visitor would click away: panels, the map, the tour, the news bar.
STATE = {"theme": "light", "showFeatureHints": False, "visible": {"graph": True, "sidebar": False}}
STYLE = (
    "body { visibility: hidden } .pipeline-flowchart { visibility: visible }"
    " html { background: #f2f3f5 }"
)



def main() -> None:
    """Write both pictures, or say in one sentence what is missing."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit(f"no browser to take pictures with: install chromium (or {BROWSERS[2]})")
    if not RESULT.is_file():
        sys.exit(f"no result at {RESULT.relative_to(PROJECT)}: run make run first")
    with tempfile.TemporaryDirectory() as folder:
        page, shot = Path(folder, "page"), Path(folder, "shot.png")
        build_page(page)
        with served(page) as address:
            photograph(browser, address, shot, profile=Path(folder, "profile"))
        crop(shot).save(DOCS / "pipeline.png", optimize=True)
    shutil.copyfile(RESULT, DOCS / "result.png")


def build_page(target: Path) -> None:
    """Kedro-Viz's static page of the project, with everything but the graph put away."""
    kedro = Path(sys.executable).with_name("kedro")
    subprocess.run([kedro, "viz", "build"], cwd=PROJECT, check=True, timeout=LIMIT)
    shutil.move(PROJECT / "build", target)
    index = target / "index.html"
    state = f"<script>localStorage.setItem('KedroViz', {json.dumps(json.dumps(STATE))})</script>"
    head = f"<head>{state}<style>{STYLE}</style>"
    index.write_text(index.read_text().replace("<head>", head, 1))


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve `folder` on a free port of this machine."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            """Requests are no news."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def photograph(browser: str, address: str, shot: Path, profile: Path) -> None:
    """A picture of the page once it has come to rest."""
    flags = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
        "--disable-background-networking --disable-component-update --hide-scrollbars "
        f"--virtual-time-budget=15000 --force-device-scale-factor={SCALE}"
    ).split()
    subprocess.run(
        [
            browser,
            *flags,
            f"--window-size={WINDOW[0]},{WINDOW[1]}",
            f"--user-data-dir={profile}",
            f"--screenshot={shot}",
            address,
        ],
        check=True,
        capture_output=True,
        timeout=LIMIT,
    )


def crop(shot: Path) -> Image.Image:
    """The picture without the empty space around the graph."""
    picture = Image.open(shot).convert("RGB")
    paper = Image.new("RGB", picture.size, picture.getpixel((picture.width - 1, 0)))
    left, upper, right, lower = ImageChops.difference(picture, paper).getbbox()
    return ImageOps.expand(picture.crop((left, upper, right, lower)), MARGIN, paper.getpixel((0, 0)))


if __name__ == "__main__":
    main()
