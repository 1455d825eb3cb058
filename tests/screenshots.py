"""python -m tests.screenshots : takes the pictures in docs/images anew, with the chromium of this machine.

The documents are made up and the same each time (`benchmarks.page_made`); so are the pictures, but for the fonts.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from benchmarks.page_made import write_manifest
from PIL import Image
from playwright.sync_api import Browser, sync_playwright
from tests.web_server import serving_here

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
LARGEST = 200_000
"""Bytes of a picture: a repository keeps each version of it for ever."""
SAMPLES = IMAGES.parent.parent / "samples"
VIEWS = {"overview": "", "documents": "documents?status=review&status=failed&sort=-ended"}
SAMPLE_VIEWS = {"document": "documents/acme-ltd.plain.pdf"}
SHOWN = {".out bdi": "s3://acme-invoices/2026-03", ".who summary bdi": "anna"}
"""What else would tell of the machine that took them."""
LOOKS: Mapping[str, Mapping[str, Any]] = {
    "light": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light"},
}


def take(browser: Browser, url: str, folder: Path, views: Mapping[str, str]) -> list[Path]:
    """A picture of each view in each look."""
    taken: list[Path] = []
    for look, options in LOOKS.items():
        page = browser.new_context(**options).new_page()
        for view, address in views.items():
            page.goto(url + address)
            page.locator("main .rows, main .chart, .sheet").first.wait_for()
            if view == "document":
                page.wait_for_function("document.querySelector('.sheet img').naturalWidth > 0")
                page.locator(".fact[data-place=invoice_number]").hover()
            for place, text in SHOWN.items():
                page.locator(place).evaluate("(element, text) => { element.textContent = text; }", text)
            path = folder / f"{view}-{look}.png"
            small(page.screenshot(animations="disabled"), path)
            taken.append(path)
        page.context.close()
    return taken


def small(picture: bytes, path: Path) -> None:
    """Keeps a picture in few colours: a page has no more."""
    Image.open(BytesIO(picture)).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE).save(path, optimize=True)


def main() -> int:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        print("chromium is needed to take pictures", file=sys.stderr)  # noqa: T201
        return 2
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as started:
        out = Path(folder) / "out"
        write_manifest(out, 2_400, finished=0.7)
        arguments = ["--no-sandbox", "--disable-background-networking"]
        browser = started.chromium.launch(executable_path=chromium, args=arguments)
        with serving_here(out) as url:
            taken = take(browser, url, IMAGES, VIEWS)
        samples = Path(folder) / "samples"
        command = [sys.executable, "-m", "counterfoil", "run", str(SAMPLES), "--out", str(samples), "--quiet"]
        subprocess.run(command, check=True)
        with serving_here(samples) as url:
            taken += take(browser, url, IMAGES, SAMPLE_VIEWS)
        browser.close()
    return 1 if any(path.stat().st_size > LARGEST for path in taken) else 0


if __name__ == "__main__":
    sys.exit(main())
