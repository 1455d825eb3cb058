"""What a file is, by its bytes: the first look at a document, before anything is opened. Never by its name.

Cheap enough to be asked of every file, and imports nothing that takes time.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal

Kind = Literal["pdf", "xml", "html", "docx", "xlsx", "zip", "mail", "msg", "p7m", "fatture", "image", "other"]

CONTAINER = "container"
"""The reader that a record and a result of such a file name."""
CONTAINERS: frozenset[Kind] = frozenset(("zip", "mail", "msg", "fatture"))
"""Kinds that are no documents themselves, but hold some; `fatture` is a FatturaPA file with several invoices."""
# Companions of invoices that are never invoices themselves; --include takes even these.
NEVER = frozenset(
    ".txt .md .rst .json .jsonl .ndjson .csv .tsv .parquet .py .sh .js .css .log .yaml .yml .toml .ini .sql .sha256 "
    ".md5 .db .sqlite .lock .bak .tmp .p7s .asc .sig .ics .vcf".split()
)
HEAD = 4096
"""Bytes that tell all kinds apart, but for those within ZIP and OLE files."""
_MARKS = (
    (b"\xff\xfe\0\0", "utf-32-le"),  # before UTF-16, whose mark it begins with
    (b"\0\0\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
    (b"\xef\xbb\xbf", "utf-8"),
)
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_OLE = b"\xd0\xcf\x11\xe0"
_MESSAGE = "__properties_version1.0".encode("utf-16-le")
_WORD, _EXCEL = b"word/document", b"xl/workbook"
_IMAGES = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
)
_SIGNED = bytes.fromhex("06092a864886f70d010702")
"""The object identifier of CMS signed data."""
_ARMOUR = re.compile(rb"-----BEGIN (?:PKCS ?7|CMS)-----")
_HTML = re.compile(
    r"(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*"
    r"<(?:!doctype\s+html|html|head|body|table|div|meta|style|title|pre|center|font)\b",
    re.IGNORECASE | re.DOTALL,
)
_BODY = re.compile(rb"<(?:[\w.-]{1,40}:)?FatturaElettronicaBody[\s>]")
_FIELD = re.compile(rb"([A-Za-z][A-Za-z0-9-]{0,60}):")
_OF_MAIL = frozenset(
    b"from to cc subject date received return-path message-id mime-version content-type delivered-to reply-to "
    b"x-mailer content-transfer-encoding".split()
)
_LEAST_FIELDS = 3


def kind_of(data: bytes) -> Kind:
    """What the bytes are; `other` for what no reader knows."""
    head = data[:HEAD]
    if head.startswith(_ZIP):
        return _zip_kind(data)
    if head.startswith(_OLE):
        return "msg" if _MESSAGE in data else "other"
    if _is_mail(head):
        return "mail"
    if _is_signed(head):
        return "p7m"
    if b"%PDF-" in head:
        return "pdf"
    text = _as_text(head)
    if text.startswith("<"):
        return "html" if _HTML.match(text) else "fatture" if _holds_several(data) else "xml"
    return "image" if image_format(head) else "other"


def _holds_several(data: bytes) -> bool:
    first = _BODY.search(data)
    return first is not None and _BODY.search(data, first.end()) is not None


def image_format(head: bytes) -> str | None:
    """The name of the format, None for what is no image."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    return next((name for magic, name in _IMAGES if head.startswith(magic)), None)


def _is_signed(head: bytes) -> bool:
    text = head.lstrip()
    if text.startswith(b"MI"):  # what "SEQUENCE" is in base64
        with suppress(binascii.Error):
            head = b64decode(b"".join(text[:100].split())[:64])
    return _SIGNED in head[:80] or _ARMOUR.match(text) is not None


def _zip_kind(data: bytes) -> Kind:
    """An Office file names its main part in the directory at the end of the archive, and its types there too."""
    if b"[Content_Types].xml" in data:
        directory = data[max(0, data.find(b"PK\x01\x02")) :]
        if _WORD in directory:
            return "docx"
        if _EXCEL in directory:
            return "xlsx"
    return "zip"


def _as_text(head: bytes) -> str:
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return head[len(mark) :].decode(encoding, "ignore").lstrip()
    if head.startswith((b"<\0", b"\0<")):
        return head.decode("utf-16-le" if head[0] else "utf-16-be", "ignore").lstrip()
    return head.decode("latin-1").lstrip()


def _is_mail(head: bytes) -> bool:
    """Whether it begins with a mail's header fields, or with the line that mailboxes put before them."""
    known = 0
    for line in head.removeprefix(b">").splitlines()[:60]:
        if not line:
            break
        field = _FIELD.match(line)
        if field:
            known += field[1].lower() in _OF_MAIL
        elif not line.startswith((b" ", b"\t", b"From ")):
            break
    return known >= _LEAST_FIELDS


def counted_as(record: Mapping[str, Any]) -> str:
    """The status under which a record is counted: a container that was opened is no document that is done."""
    status = str(record.get("status", ""))
    return CONTAINER if status == "done" and record.get("reader") == CONTAINER else status
