"""Path of Chromium on this machine; `python -m tests.browser.chromium` prints it."""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

# The first one has no user interface, and takes half the time of the processor for it.
NAMES = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)


def find_chromium() -> str | None:
    """The system's Chromium, or else that of `playwright install`, or else None."""
    if found := next(filter(None, map(shutil.which, NAMES)), None):
        return found
    with sync_playwright() as playwright:
        bundled = playwright.chromium.executable_path
    return bundled if Path(bundled).exists() else None


if __name__ == "__main__":
    path = find_chromium()
    sys.stdout.write(f"{path or 'no Chromium'}\n")
    sys.exit(path is None)
