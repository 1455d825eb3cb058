"""The limits of reading one document, as options of `counterfoil run`: one for each field of `document.Limits`."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import click

from .document import Limits

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}
_AMOUNT = re.compile(r"(\d{1,15})\s*([KMG]?)B?", re.IGNORECASE)


def _amount(_context: click.Context, _parameter: click.Parameter, value: str) -> int:
    """A number of bytes (or of anything else), also as 200MB."""
    found = _AMOUNT.fullmatch(value.strip())
    amount = int(found[1]) * _UNITS[found[2].upper()] if found else 0
    if amount < 1:
        raise click.BadParameter(f"{value!r} is no number above 0, e.g. 200MB")
    return amount


# Option, field of `Limits`, what it bounds.
_OPTIONS = (
    ("--max-bytes", "max_bytes", "Largest file, and largest part of an archive or a mail."),
    ("--max-pages", "max_pages", "Most pages of a document."),
    ("--max-text", "max_text", "Most characters of a document."),
    ("--max-pixels", "max_pixels", "Most pixels of a page of an image file."),
    ("--max-image-pages", "max_image_pages", "Most pages of a document that a model is sent as images."),
    ("--max-ocr-pages", "max_ocr_pages", "Most pages of a document that OCR reads."),
    ("--max-xml-bytes", "max_xml_bytes", "Largest XML."),
    ("--max-xml-depth", "max_xml_depth", "Deepest XML."),
    ("--max-cells", "max_cells", "Most table cells of an HTML, Word or Excel file."),
    ("--max-entries", "max_entries", "Most entries of an archive or a mail."),
    ("--max-nesting", "max_nesting", "How deep archives and mails are opened within each other."),
    ("--max-unpacked", "max_unpacked", "Most bytes that an archive may unpack to."),
    ("--max-ratio", "max_ratio", "How many times its size an archive may unpack to."),
    ("--max-memory", "memory_bytes", "Most memory for reading one document, over that of an idle worker."),
)
_SECONDS = (
    ("--max-seconds", "seconds", "Longest that reading one document may take, without OCR."),
    ("--max-ocr-seconds", "ocr_seconds", "Longest that OCR of one page may take."),
)
FLAGS = {field: flag for flag, field, _ in (*_OPTIONS, *_SECONDS)}
"""The option of each field of `Limits`."""


def limit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options; the command gets them as one argument, `limits`."""

    @functools.wraps(command)
    def with_limits(*args: Any, **options: Any) -> Any:
        given = {field: options.pop(field) for field in FLAGS}
        return command(*args, limits=Limits(**given), **options)

    usual = Limits()
    decorated: Callable[..., Any] = with_limits
    for flag, field, said in reversed(_SECONDS):
        seconds, default = click.FloatRange(0.1, 3600.0), getattr(usual, field)
        decorated = click.option(flag, field, type=seconds, default=default, metavar="SECONDS", help=said)(decorated)
    for flag, field, said in reversed(_OPTIONS):
        default = str(getattr(usual, field))
        decorated = click.option(flag, field, default=default, callback=_amount, metavar="N", help=said)(decorated)
    return decorated
