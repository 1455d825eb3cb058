"""Outlook messages (.msg): attachments and body out of an OLE file, by the property streams of [MS-OXMSG].

Runs inside a killable worker process. Only streams are read; no object, link or macro in them is ever opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any, cast

import olefile as _olefile  # pyright: ignore[reportMissingTypeStubs]

from .containers_mail import Attached, members_of
from .containers_zip import Member
from .document import Limits
from .errors import InputError

_olefile_any: Any = _olefile  # it has no types
_ATTACHMENT = "__attach_version1.0_"
_DATA, _EMBEDDED = "3701" + "0102", "3701" + "000D"
_LONG_NAME, _SHORT_NAME, _DISPLAY_NAME, _CID = "3707", "3704", "3001", "3712"
_PLAIN, _HTML = "1000", "1013"
_BINARY = "0102"
_TEXTS = (("001F", "utf-16-le"), ("001E", "cp1252"))


def msg_members(data: bytes, limits: Limits) -> list[Member]:
    """As `containers_mail.mail_members`, for an Outlook message."""
    try:
        with _olefile_any.OleFileIO(BytesIO(data)) as ole:
            message = _Message(ole, limits)
            attached = list(message.attached((), 0))
            return members_of(attached, message.text((), _HTML, html=True), message.text((), _PLAIN))
    except InputError:
        raise
    except (OSError, ValueError, IndexError, TypeError, AttributeError, RecursionError) as exc:
        raise InputError(f"the Outlook message is damaged: {' '.join(str(exc).split())[:200]}") from exc


class _Message:
    """An open message; `path` leads to the storage of one within another."""

    def __init__(self, ole: Any, limits: Limits) -> None:
        self._ole, self._limits = ole, limits
        storages = cast("list[list[str]]", ole.listdir(streams=False, storages=True))
        if len(storages) > limits.max_entries:
            raise InputError(f"the message has more parts than the limit of {limits.max_entries:,}")
        self._storages = [tuple(path) for path in storages]

    def attached(self, path: tuple[str, ...], depth: int) -> Iterator[Attached]:
        """What is attached, that of attached messages included, as `message/file`."""
        if depth > self._limits.max_nesting:
            raise InputError(f"messages are nested deeper than the limit of {self._limits.max_nesting}")
        for number, at in enumerate(self._attachments(path), 1):
            name = self._name(at) or f"part {number}"
            embedded = (*at, f"__substg1.0_{_EMBEDDED}")
            if self._ole.exists(list(embedded)):
                for inner in self.attached(embedded, depth + 1):
                    yield Attached(f"{name}/{inner.name}", inner.data, inner.cid)
            elif (data := self._stream(at, _DATA)) is not None:
                yield Attached(name, data, self.text(at, _CID).strip("<> \0"))

    def _attachments(self, path: tuple[str, ...]) -> list[tuple[str, ...]]:
        return [s for s in self._storages if s[:-1] == path and s[-1].startswith(_ATTACHMENT)]

    def _name(self, at: tuple[str, ...]) -> str:
        return next(filter(None, (self.text(at, key) for key in (_LONG_NAME, _SHORT_NAME, _DISPLAY_NAME))), "")

    def text(self, path: tuple[str, ...], key: str, *, html: bool = False) -> str:
        """A text property, "" where it is missing. HTML is kept as bytes, in whatever it says of itself."""
        for kind, encoding in _TEXTS:
            if (data := self._stream(path, key + kind)) is not None:
                return data.decode(encoding, "replace").rstrip("\0")
        data = self._stream(path, key + _BINARY) if html else None
        return data.decode("utf-8", "replace") if data else ""

    def _stream(self, path: tuple[str, ...], key: str) -> bytes | None:
        where = [*path, f"__substg1.0_{key}"]
        if not self._ole.exists(where) or self._ole.get_type(where) != _olefile_any.STGTY_STREAM:
            return None
        if self._ole.get_size(where) > self._limits.max_bytes:
            raise InputError(f"an attachment has more bytes than the limit of {self._limits.max_bytes:,}")
        return bytes(self._ole.openstream(where).read())
