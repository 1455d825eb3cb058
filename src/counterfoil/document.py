"""A document on its way: where it comes from, what was read of it, and what became of it. Data only, all picklable.

These are the words that `reader`, `extract`, `checks` and `pipeline` share. Nothing here reads or decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from .invoice import Invoice  # a worker that reads for a model starts in half the time without it

ReaderName = Literal["auto", "xml", "model", "rules", "both"]
Images = Literal["auto", "never", "always"]
"""Which pages a model sees as images: those without text, none, or all (their text as well)."""
OcrMode = Literal["auto", "never", "always"]
"""Which pages OCR reads: those without usable text, none, or all (whatever text they have)."""
OnDuplicates = Literal["review", "note", "off"]
"""What becomes of an invoice that is there a second time: it goes to review, it bears a note, or nobody looks."""
Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a check found. `code` is stable and machine-readable, `message` one sentence for an accountant."""

    code: str
    severity: Severity
    message: str
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Data:
    """What a document says by a schema of the user's own, whose name is `schema`. `values` are JSON, decimals as text;
    `findings` say what the schema makes of them."""

    schema: str
    values: Mapping[str, Any]
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds for reading one document; what passes one ends that document with an `InputError` that names the bound."""

    max_bytes: int = 50_000_000
    """Of one file, and of one part of an archive or a mail."""
    max_pages: int = 300
    max_text: int = 2_000_000
    """Characters of text over all pages."""
    max_xml_bytes: int = 20_000_000
    max_xml_depth: int = 100
    max_image_pages: int = 20
    """Pages of one document that a model is sent as images."""
    max_pixels: int = 80_000_000
    """Of one page of an image file; A3 at 600 dpi has 70 million."""
    max_cells: int = 200_000
    """Of the tables of an HTML, Word or Excel file."""
    max_entries: int = 5_000
    """Of an archive or a mail, those of archives and mails within it included."""
    max_nesting: int = 3
    """Archives and mails within each other."""
    max_unpacked: int = 1_000_000_000
    """Bytes that all entries of an archive have together."""
    max_ratio: int = 200
    """How many times the size of an archive its entries may have, once that is more than a few MB."""
    max_ocr_pages: int = 50
    """Pages of one document that OCR reads."""
    ocr_seconds: float = 20.0
    """For OCR of one page."""
    seconds: float = 30.0
    """For reading one document, OCR aside."""
    memory_bytes: int = 750_000_000


_OCR_RULES = 2
"""Part of the name of every input that OCR read. Raise it when what is made of its words changes."""


@dataclass(frozen=True, slots=True)
class Ocr:
    """How pages without text are read. `engine` (tesseract, rapidocr) is empty where there is none, or none is wanted;
    `languages` are Tesseract's names."""

    mode: OcrMode = "never"
    engine: str = ""
    version: str = ""
    languages: tuple[str, ...] = ()

    @property
    def facts(self) -> dict[str, Any]:
        """What tells this OCR from another that may read otherwise."""
        languages = "+".join(self.languages)
        return {"engine": f"{self.engine} {self.version}", "languages": languages, "rules": _OCR_RULES}


@dataclass(frozen=True, slots=True)
class Word:
    """A run of text with its box on the page, in points, y growing downwards from the top edge."""

    text: str
    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, slots=True)
class Page:
    """One page. `text` keeps columns apart by spaces and rows by newlines; `words` are in reading order."""

    number: int
    width: float
    height: float
    text: str
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class PageImage:
    """A page as a picture, upright. `page` counts from 1; `media_type` is that of `data`."""

    page: int
    media_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Usage:
    """What model calls took. `cost_usd` is None where the price of the model isn't known, 0 where no call was made.

    `unknown_calls` are those of `calls` that went out, or may have, and of which no answer is known: they may have to
    be paid, and their tokens and cost are not in the sums.
    """

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal | None = Decimal(0)
    unknown_calls: int = 0

    def __add__(self, other: Usage) -> Usage:
        return self._with(other, 1)

    def __sub__(self, other: Usage) -> Usage:
        return self._with(other, -1)

    def _with(self, other: Usage, sign: int) -> Usage:
        unpriced = self.cost_usd is None or other.cost_usd is None
        return Usage(
            self.calls + sign * other.calls,
            self.input_tokens + sign * other.input_tokens,
            self.output_tokens + sign * other.output_tokens,
            None if unpriced else (self.cost_usd or Decimal(0)) + sign * (other.cost_usd or Decimal(0)),
            self.unknown_calls + sign * other.unknown_calls,
        )


@dataclass(frozen=True, slots=True)
class Reading:
    """What a worker process found in one file.

    `kind` is what the bytes are, not what the name says. `xml_invoice` comes from whole-file or embedded e-invoice XML
    (`profile` says which); `xml_problem` says why embedded XML could not be used. `rules_invoice` is there only if it
    was asked for. `text` is that of all pages, separated by form feeds; `no_text` says why there is none. `textless`
    are the pages that show something, yet have no text to speak of; `images` the pages that a model is to see.
    `scanned` are the pages whose text OCR read; `sure` is then the whole text without the words in doubt.
    `words` are all words with their boxes, as `places` packs them; `xml_paths` where in the XML each field stands.
    """

    kind: Literal["pdf", "xml", "image", "html", "docx", "xlsx", "container"]
    text: str = ""
    pages: int = 0
    xml_invoice: Invoice | None = None
    profile: str | None = None
    xml_problem: str | None = None
    rules_invoice: Invoice | None = None
    doubts: tuple[Finding, ...] = ()
    findings: tuple[Finding, ...] = field(default=())
    no_text: str = ""
    textless: tuple[int, ...] = ()
    images: tuple[PageImage, ...] = ()
    scanned: tuple[int, ...] = ()
    sure: str = ""
    words: bytes = field(default=b"", repr=False)
    xml_paths: Mapping[str, str] = field(default_factory=dict[str, str])
