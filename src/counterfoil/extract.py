"""From a document's bytes to a checked invoice: which reader speaks, and what the checks say of it.

`examine` does everything that needs no model, `checked` says what the checks make of what a reader read. Both run in
worker processes, and neither decides where anything is stored. What only one of them needs is imported there: a worker
that reads for a model is ready in half the time without the checks and what they stand on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from .document import Data, Finding, Images, Limits, Ocr, ReaderName, Reading, Usage
from .errors import InputError
from .kinds import CONTAINER, CONTAINERS, kind_of

if TYPE_CHECKING:
    from .containers import Part
    from .form import OwnSchema
    from .invoice import Invoice
    from .ocr_pages import Way
    from .reader import Rules

# Part of every input's name: a new number reads finished inputs anew. Raise it when readers or checks change meaning.
EXTRACTOR = 2


_NOTHING = Usage()


@dataclass(frozen=True, slots=True)
class Extraction:
    """What was made of a document, what it says being its `fields`. `status` is done, or review where a finding is an
    error."""

    fields: Invoice | Data
    reader: str
    findings: tuple[Finding, ...]
    usage: Usage = _NOTHING
    profile: str | None = None
    pages: int = 0
    provenance: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def status(self) -> str:
        return "review" if any(finding.severity == "error" for finding in self.findings) else "done"


@dataclass(frozen=True, slots=True)
class Examined:
    """A document after its worker process: finished, or (`extraction` None) with what the model is to read; or with
    `scans` pages that OCR has to read first, by another `examine` that has the time for it.

    `parts` are the documents that it holds: then it is none itself, and finished."""

    reading: Reading
    extraction: Extraction | None
    parts: tuple[Part, ...] = ()
    scans: int = 0


NO_OCR = Ocr()


def recipe(
    reader: ReaderName,
    model: str | None,
    images: Images = "auto",
    schema: OwnSchema | None = None,
    ocr: Ocr = NO_OCR,
    *,
    ours: Sequence[str] = (),
) -> dict[str, Any]:
    """How documents are read, as far as it can change a result. `images` is left out where it says nothing new: with
    `auto` a document that has its text is read as it is without, and without a model there is nobody to see. So is
    OCR, unless it reads every page: the documents that it did read have it in a recipe of their own. `ours`, the tax
    ids of whom the documents are for, is there where any is given."""
    from .prompt import PROMPT_VERSION, SCHEMA_PROMPT_VERSION  # a reading process needs none

    prompt = PROMPT_VERSION if model else None
    seen = {"images": images} if model and images != "auto" else {}
    always = {"ocr": ocr.facts} if ocr.mode == "always" else {}
    us = {"ours": sorted(ours)} if ours else {}
    said = {"extractor": EXTRACTOR, "reader": reader, "model": model, "prompt": prompt, **seen, **always, **us}
    if schema is None:
        return said
    return said | {"prompt": SCHEMA_PROMPT_VERSION, "schema": {"name": schema.name, "digest": schema.digest}}


def recipe_of(examined: Examined, recipe: dict[str, Any], ocr: Ocr) -> dict[str, Any]:
    """How this document was read: with the OCR that it was read by, since another may read otherwise. Not where a model
    is asked: its answer is paid for, and is not to be paid for again because another Tesseract is there."""
    by_ocr = examined.extraction is not None and examined.reading.scanned
    return recipe | {"ocr": ocr.facts} if by_ocr else recipe


def examine(
    data: bytes,
    reader: ReaderName,
    has_model: bool,
    limits: Limits,
    today: date,
    images: Images = "auto",
    ocr: Ocr = NO_OCR,
    scans: bool = False,
    ours: Sequence[str] = (),
) -> Examined:
    """Reads one document, and extracts and checks it too unless that is the model's part. Where OCR is needed, it is
    done with `scans` only: else the answer says how many pages it is for. Raises `InputError`."""
    from .reader import read_document, scans_of

    if kind_of(data) in CONTAINERS:
        return _opened(data, limits)
    rules: Rules = "never"
    if reader in ("rules", "both"):
        rules = "always"
    elif reader == "auto" and not has_model:
        rules = "fallback"
    reading = read_document(data, limits, rules=rules, ocr=ocr if scans else None)
    reading, second = _read_best(reading, data, limits, rules, ocr) if reading.scanned else (reading, None)
    if reading.xml_invoice is not None and (reader in ("auto", "xml") or (reader == "both" and reading.kind == "xml")):
        return Examined(reading, checked(reading.xml_invoice, "xml", reading, today, ours=ours))
    if reader == "xml":
        raise InputError(reading.xml_problem or "there is no e-invoice XML in this file")
    if reading.kind == "xml":
        raise InputError(f"an XML file has no page for --reader {reader}; use --reader auto or xml")
    if ocr.engine and not scans and (pages := scans_of(reading, data, limits, ocr)):
        return Examined(reading, None, scans=len(pages))
    if has_model and reader != "rules" and rules != "fallback" and images != "never":
        reading = _with_images(reading, data, images, limits)
    if reading.no_text and not reading.images:
        raise InputError(reading.no_text + _remedy(reading, ocr))
    reading = _unread_told(reading)
    if reading.rules_invoice is None or reader == "both":
        return Examined(reading, None)
    extraction = checked(reading.rules_invoice, "rules", reading, today, ours=ours)
    if second and extraction.status == "done":
        extraction = _read_twice(extraction, reading.rules_invoice, reading, data, limits, ocr, second)
    return Examined(reading, extraction)


def _remedy(reading: Reading, ocr: Ocr) -> str:
    """What to do for a document that OCR would read, where there is none."""
    from .ocr import INSTALL

    lacking = ocr.mode == "auto" and not ocr.engine and (reading.kind == "image" or reading.textless)
    return f"; {INSTALL}; or give a --model that sees images" if lacking else ""


def _read_best(reading: Reading, data: bytes, limits: Limits, rules: Rules, ocr: Ocr) -> tuple[Reading, Way]:
    from .rereading import read_best

    return read_best(reading, data, limits, rules, ocr)


def _read_twice(
    extraction: Extraction, invoice: Invoice, reading: Reading, data: bytes, limits: Limits, ocr: Ocr, way: Way
) -> Extraction:
    """With what a second OCR of the same pages contradicts; only where nothing else would stop a misreading."""
    from .checks import tidy
    from .checks_ocr import unlike
    from .reader import read_again
    from .rules import read_rules

    pages = read_again(reading, data, limits, ocr, way)
    text = "\f".join([*(page.text for page in pages), *([reading.text] if len(pages) < reading.pages else [])])
    findings = tuple(unlike(tidy(invoice), tidy(read_rules(pages)), text))
    return replace(extraction, findings=(*extraction.findings, *findings))


def _opened(data: bytes, limits: Limits) -> Examined:
    """An archive or a mail: nothing is read of it but what is in it."""
    from .containers import parts_of, told
    from .invoice import Invoice

    parts = parts_of(data, limits)
    finding = Finding("container.parts", "info", told(parts))
    return Examined(Reading(kind="container"), Extraction(Invoice(), CONTAINER, (finding,)), parts)


def refuse_inner(data: bytes, limits: Limits) -> None:
    """Raises `InputError` for an archive or a mail that was left closed within another; runs in a worker process."""
    if kind_of(data) in CONTAINERS:
        from .containers import refuse_part

        refuse_part(data, limits)


def _with_images(reading: Reading, data: bytes, images: Images, limits: Limits) -> Reading:
    seen = reading.textless or reading.scanned or reading.kind == "image" or images == "always"
    if reading.kind not in ("pdf", "image") or not seen:
        return reading
    from .images import with_images  # its imaging library is for those documents only that need it

    return with_images(reading, data, images, limits)


def _unread_told(reading: Reading) -> Reading:
    """A document of which only a part was read is never done, however well that part adds up."""
    seen = {image.page for image in reading.images}
    unread = [str(page) for page in reading.textless if page not in seen]
    if not unread:
        return reading
    message = f"not read, as without text: page {', '.join(unread)}; a model that sees images would read it"
    return replace(reading, findings=(*reading.findings, Finding("page.unread", "error", message)))


def checked(
    fields: Invoice | Data,
    reader: str,
    reading: Reading,
    today: date,
    usage: Usage = _NOTHING,
    ours: Sequence[str] = (),
) -> Extraction:
    """What a reader (xml, rules, model) made of a document, with what the checks and its other readers say of it. The
    checks of a schema of the user's own are the schema's, and have been made."""
    if isinstance(fields, Data):
        findings = (*reading.findings, *fields.findings)
        return Extraction(fields, reader, findings, usage, reading.profile, reading.pages)
    from .checks import check_invoice, contradicts_page, tidy
    from .checks_provenance import provenance

    invoice = tidy(fields)
    # Where a part of the document was seen only, what is not in its text may well be on its pages.
    whole = reading.text.strip() and not any(image.page in reading.textless for image in reading.images)
    text = reading.text if whole else None
    findings = [*reading.findings, *check_invoice(invoice, reader=reader, page_text=text, today=today, ours=ours)]
    if reader == "rules":
        findings += reading.doubts
    if reader == "rules" and reading.scanned:
        from .checks_ocr import in_doubt

        findings += in_doubt(invoice, reading.sure)
    if reader == "xml" and text:
        findings += contradicts_page(invoice, text)
    agreed: frozenset[str] = frozenset()
    if reader == "model" and (others := _other_readings(reading)):
        findings, agreed = _against(invoice, others, findings)
    came = provenance(invoice, reader, reading, agreed)
    return Extraction(invoice, reader, tuple(findings), usage, reading.profile, reading.pages, came)


def _other_readings(reading: Reading) -> dict[str, Invoice]:
    """What else read a document of `--reader both`, by reader. Without it the rules were not asked."""
    if reading.rules_invoice is None:
        return {}
    xml = {"XML": reading.xml_invoice} if reading.xml_invoice is not None else {}
    return {**xml, "rules": reading.rules_invoice}


def _against(
    invoice: Invoice, others: Mapping[str, Invoice], findings: Sequence[Finding]
) -> tuple[list[Finding], frozenset[str]]:
    """The findings on a model's invoice once other readers have spoken, and what one of them read alike: a total that
    two read needs no other proof."""
    from .checks import tidy
    from .checks_readers import agreed, disagreements

    kept, alike = list(findings), frozenset[str]()
    for second, other in others.items():
        other = tidy(other)
        alike |= agreed(invoice, other)
        kept += disagreements(invoice, "model", other, second)
    if "gross_total" in alike:
        kept = [finding for finding in kept if finding.code != "amounts.unconfirmed"]
    return kept, alike
