"""The system's Chromium without a window, by playwright; no browser is downloaded."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
_FLAGS = ["--no-sandbox", "--disable-gpu", "--hide-scrollbars"]


class Browser:
    """A browser with one page; `errors` are what it wrote to its console, or what was thrown."""

    def __init__(self, folder: Path) -> None:
        """Start Chromium with a profile in `folder`."""
        playwright = pytest.importorskip("playwright.sync_api")
        self._playwright = playwright.sync_playwright().start()
        self._context = self._playwright.chromium.launch_persistent_context(
            folder, executable_path=CHROMIUM, args=_FLAGS, headless=True
        )
        self._page = self._context.pages[0]
        self.errors: list[str] = []
        self._page.on("pageerror", lambda error: self.errors.append(str(error)))
        self._page.on("console", lambda message: self.errors.append(message.text))
        self._page.on("requestfailed", lambda request: self.errors.append(request.url))

    def open(self, path: Path, *, width: int, height: int = 900, dark: bool = False) -> None:
        """Load a file in a window of that size."""
        self._page.set_viewport_size({"width": width, "height": height})
        self._page.emulate_media(color_scheme="dark" if dark else "light")
        self._page.goto(path.resolve().as_uri())

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page; what it throws is raised here."""
        return self._page.evaluate(expression)

    def press(self, key: str) -> None:
        """A key, such as ArrowRight."""
        self._page.keyboard.press(key)

    def screenshot(self, path: Path, *, whole: bool = True) -> None:
        """The page as PNG, all of it or what the window shows."""
        self._page.screenshot(path=path, full_page=whole)

    def close(self) -> None:
        """End the browser."""
        self._context.close()
        self._playwright.stop()
