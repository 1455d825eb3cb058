"""Which OCR there is on this machine: Tesseract's program with its languages, else rapidocr where it is installed.

It only looks: nothing is read, and no engine loaded. What it finds goes to the worker processes as an `Ocr`.
"""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
from collections.abc import Sequence

from .document import Ocr, OcrMode
from .errors import SetupError

OURS = ("eng", "deu", "fra", "nld", "ita", "spa")
"""Tesseract's names of the languages that the offline reader knows."""
INSTALL = (
    "install Tesseract (Debian, Ubuntu: apt-get install tesseract-ocr tesseract-ocr-deu tesseract-ocr-fra "
    "tesseract-ocr-nld tesseract-ocr-ita tesseract-ocr-spa) or: pip install 'counterfoil[ocr]'"
)
_SECONDS = 10.0


def find_ocr(mode: OcrMode, languages: Sequence[str] = ()) -> Ocr:
    """The engine for a run. Without `languages`, those of `OURS` that Tesseract has; rapidocr reads them all alike.

    Raises `SetupError` for a language that is not installed, and where OCR is asked for `always` and there is none.
    """
    if mode == "never":
        return Ocr(mode)
    if version := _tesseract_version():
        return Ocr(mode, "tesseract", version, _languages(languages))
    version = _rapidocr_version()
    if version and not languages:
        return Ocr(mode, "rapidocr", version)
    if languages:
        raise SetupError(f"--languages needs Tesseract, which is not here; {INSTALL}")
    if mode == "always":
        raise SetupError(f"--ocr always: there is no OCR on this machine; {INSTALL}")
    return Ocr(mode)


def _tesseract_version() -> str:
    if shutil.which("tesseract") is None:
        return ""
    match = re.match(r"tesseract v?(\d\S*)", _said("--version"))
    return match[1] if match else ""


def _rapidocr_version() -> str:
    try:
        return importlib.metadata.version("rapidocr") if importlib.metadata.version("onnxruntime") else ""
    except importlib.metadata.PackageNotFoundError:
        return ""


def _languages(wanted: Sequence[str]) -> tuple[str, ...]:
    installed = {line.strip() for line in _said("--list-langs").splitlines()[1:]}
    if missing := [language for language in wanted if language not in installed]:
        raise SetupError(
            f"--languages: Tesseract has no {', '.join(missing)} here; install it (Debian, Ubuntu: apt-get install "
            f"tesseract-ocr-{missing[0].replace('_', '-')}) or name others"
        )
    found = tuple(wanted) or tuple(language for language in OURS if language in installed)
    if not found:
        raise SetupError(f"Tesseract has none of the languages {', '.join(OURS)} here; {INSTALL}, or name --languages")
    return found


def _said(option: str) -> str:
    try:
        done = subprocess.run(["tesseract", option], capture_output=True, text=True, timeout=_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError) as exc:
        raise SetupError(f"tesseract does not work here: {exc}; mend it, or use --ocr never") from exc
    return done.stdout or done.stderr
