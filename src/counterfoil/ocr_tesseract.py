"""Tesseract by its program: a picture in, words with boxes and confidence out.

Runs inside a killable worker process. The program never outlives its worker (on Linux), never takes longer than it is
given, and is given the picture by a pipe: nothing is written to disk.
"""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from typing import Any

from .errors import InputError
from .ocr_words import Seen

_WORD = "5"  # the level of a row in Tesseract's table that is a word
_LEAST_SURE = 2.0
"""Of the orientation: what Tesseract calls a confidence of orientation, below which it often errs."""


def recognise(picture: Any, languages: Sequence[str], seconds: float, segmentation: int = 3) -> list[Seen]:
    """The words of a grey picture, boxes in its pixels. `segmentation` is its page segmentation mode.

    Raises `InputError` where it takes longer than `seconds` or fails.
    """
    options = ["--psm", str(segmentation), "-l", "+".join(languages), "-c", "preserve_interword_spaces=1", "tsv"]
    return list(_words(_run(picture, options, seconds)))


def quarter_turns(picture: Any, seconds: float) -> int:
    """Quarter turns, clockwise, that bring the picture upright; 0 where Tesseract is not sure, or can't tell."""
    try:
        said = _run(picture, ["--psm", "0", "-l", "osd"], seconds)
    except InputError:  # too few letters on the page, or no model for it is installed
        return 0
    facts = dict(line.split(": ", 1) for line in said.splitlines() if ": " in line)
    sure = float(facts.get("Orientation confidence", 0)) >= _LEAST_SURE
    return int(facts.get("Rotate", 0)) // 90 if sure else 0


def _run(picture: Any, options: Sequence[str], seconds: float) -> str:
    body = BytesIO()
    picture.save(body, "PPM")
    command = ["tesseract", "stdin", "stdout", "--dpi", "300", *options]
    # More threads for one page cost more than they gain; pages and documents are read side by side instead.
    environ = {**os.environ, "OMP_THREAD_LIMIT": "1"}
    try:
        done = subprocess.run(
            command,
            input=body.getvalue(),
            capture_output=True,
            timeout=seconds,
            env=environ,
            preexec_fn=_die_with_parent(),
            check=True,
        )
    except subprocess.TimeoutExpired as exc:
        raise InputError(f"OCR of a page took longer than {seconds:g} s") from exc
    except subprocess.CalledProcessError as exc:
        said = " ".join(exc.stderr.decode(errors="replace").split())[-200:]
        raise InputError(f"OCR failed: tesseract says: {said or f'exit code {exc.returncode}'}") from exc
    except OSError as exc:
        raise InputError(f"OCR failed: tesseract can't be run: {exc}") from exc
    return done.stdout.decode(errors="replace")


def _die_with_parent() -> Callable[[], None] | None:
    """What the child does first of all: it asks to be killed when the worker is."""
    if sys.platform != "linux":
        return None
    import ctypes

    prctl, pr_set_pdeathsig = ctypes.CDLL(None).prctl, 1
    return lambda: prctl(pr_set_pdeathsig, int(signal.SIGKILL))


def _words(table: str) -> Iterator[Seen]:
    for row in csv.DictReader(table.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE):
        if row["level"] == _WORD and (text := (row["text"] or "").strip()):
            x, y, width, height = (float(row[name]) for name in ("left", "top", "width", "height"))
            line = (int(row["block_num"]), int(row["par_num"]), int(row["line_num"]))
            yield Seen(text, x, y, x + width, y + height, float(row["conf"]), line)
