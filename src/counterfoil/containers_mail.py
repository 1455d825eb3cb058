"""Mails (RFC 5322): their attachments, and the body where it is all there is.

Runs inside a killable worker process. Uses the standard library's parser, which forgives what mails do wrong; depth
and number of parts are bounded. It never fetches what a mail refers to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import HeaderParseError, MessageError
from email.header import decode_header
from email.message import Message
from html import escape
from typing import cast

from .containers_zip import Member
from .document import Limits
from .errors import InputError
from .kinds import HEAD, kind_of

_DEEPEST = 50
"""Multiparts within each other; a forwarded reply to a signed mail has five."""
_EXTENSIONS = {
    "application/pdf": ".pdf",
    "application/xml": ".xml",
    "text/xml": ".xml",
    "text/html": ".html",
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/tiff": ".tif",
    "application/zip": ".zip",
    "message/rfc822": ".eml",
}
_SIGNATURE = 100_000
"""Bytes. A picture that the text shows, and that is no larger, is a logo or part of a signature."""
_BOUNDARY = re.compile(rb"boundary\s*=", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Attached:
    """Something attached to a mail. `cid` names it within the text of the mail."""

    name: str
    data: bytes
    cid: str = ""
    inline: bool = False


def mail_members(data: bytes, limits: Limits) -> list[Member]:
    """The attachments that may be documents, or else the body as an HTML document. Raises `InputError`."""
    if sum(1 for _ in _BOUNDARY.finditer(data)) > limits.max_entries:
        raise InputError(f"the mail has more parts than the limit of {limits.max_entries:,}")
    try:
        mail = message_from_bytes(data.removeprefix(b">"))
        parts = list(_leaves(mail, 0))
    except (RecursionError, MessageError, ValueError, LookupError, TypeError, AttributeError) as exc:
        raise InputError(f"the mail can't be taken apart ({type(exc).__name__})") from exc
    if len(parts) > limits.max_entries:
        raise InputError(f"the mail has {len(parts):,} parts, more than the limit of {limits.max_entries:,}")
    bodies = {kind: next((p for p in parts if _is_body(p, kind)), None) for kind in ("text/html", "text/plain")}
    others = [part for part in parts if not any(part is body for body in bodies.values())]
    attached = [_attached(part, number) for number, part in enumerate(others, 1)]
    html, plain = (_text(part) if part is not None else "" for part in bodies.values())
    return members_of(attached, html, plain)


def members_of(attached: Sequence[Attached], html: str, plain: str) -> list[Member]:
    """What of a mail may be a document: what is attached, without the pictures of its text; else its text."""
    kept = [part for part in attached if not _is_decoration(part, html)]
    readable = [part for part in kept if kind_of(part.data) != "other"]
    members = [_member(part.name, part.data) for part in kept]
    if readable or not (html.strip() or plain.strip()):
        return members
    body = html if html.strip() else f"<html><body><pre>{escape(plain)}</pre></body></html>"
    return [*members, _member("body.html", f"\ufeff{body}".encode("utf-8", "replace"))]


def _member(name: str, data: bytes) -> Member:
    return Member(name, len(data), lambda: data, lambda: data[:HEAD])


def _is_decoration(part: Attached, html: str) -> bool:
    """A picture that the text shows, or one that is too small for a page."""
    if kind_of(part.data) != "image" or len(part.data) > _SIGNATURE:
        return False
    return part.inline or (bool(part.cid) and f"cid:{part.cid}" in html)


def _leaves(part: Message, depth: int) -> Iterator[Message]:
    if depth > _DEEPEST:
        raise InputError(f"the mail is nested deeper than the {_DEEPEST} levels allowed")
    if part.get_content_type() == "message/rfc822" or not part.is_multipart():
        yield part
        return
    for inner in cast("list[Message]", part.get_payload()):
        yield from _leaves(inner, depth + 1)


def _disposition(part: Message) -> str:
    return str(part.get("Content-Disposition", "")).partition(";")[0].strip().lower()


def _is_body(part: Message, kind: str) -> bool:
    return part.get_content_type() == kind and _disposition(part) != "attachment" and not part.get_filename()


def _attached(part: Message, number: int) -> Attached:
    kind = part.get_content_type()
    name = _decoded(str(part.get_filename() or ""))
    if kind == "message/rfc822" and part.is_multipart():
        inner = cast("list[Message]", part.get_payload())[0]
        name = name or _decoded(str(inner.get("Subject", ""))).replace("/", "-")[:60]
        data = _bytes_of(inner)
    else:
        data = cast("bytes | None", part.get_payload(decode=True)) or b""
    extension = _EXTENSIONS.get(kind, "")
    if not name:
        name = f"part {number}{extension}"
    elif kind == "message/rfc822" and not name.lower().endswith(extension):
        name += extension
    inline = _disposition(part) == "inline" and not part.get_filename()
    return Attached(name, data, str(part.get("Content-ID", "")).strip("<> \t\r\n"), inline)


def _bytes_of(mail: Message) -> bytes:
    try:
        return mail.as_bytes()
    except (UnicodeError, LookupError, KeyError, TypeError) as exc:
        raise InputError("a mail within the mail can't be taken out of it") from exc


def _decoded(header: str) -> str:
    """A header's text, encoded words read; as it is where they can't be."""
    try:
        pieces = decode_header(header[:10_000])
        return "".join(p if isinstance(p, str) else p.decode(c or "latin-1", "replace") for p, c in pieces)
    except (HeaderParseError, LookupError, ValueError):
        return header[:10_000]


def _text(part: Message) -> str:
    """The text of a body; one whose character set is not known is read as UTF-8."""
    data = cast("bytes | None", part.get_payload(decode=True)) or b""
    try:
        return data.decode(str(part.get_content_charset("utf-8")), "replace")
    except (LookupError, ValueError):
        return data.decode("utf-8", "replace")
