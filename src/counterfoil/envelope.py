"""Signed envelopes (CAdES, `.p7m`): the document that was signed, out of CMS signed data (RFC 5652).

Walks BER with definite and indefinite lengths, as signing software writes both. It checks no signature, and says so to
nobody: whoever calls tells it in a finding. Bounded by the bytes given; it copies the content once.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass

from .errors import InputError

_SEQUENCE, _OCTETS, _OID, _EXPLICIT_0 = 0x30, 0x04, 0x06, 0xA0
_CONSTRUCTED = 0x20
_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
_DEEPEST = 20
_ARMOUR = re.compile(rb"-----[A-Z0-9 ]+-----|\s+")


@dataclass(frozen=True, slots=True)
class _Element:
    """One BER element: where its content begins and ends, and where the next element begins."""

    tag: int
    start: int
    end: int
    next: int


def signed_content(data: bytes) -> bytes:
    """The bytes that were signed. Raises `InputError` for what is damaged, or is a signature without its document."""
    der = data if data[:1] == b"\x30" else _from_base64(data)
    try:
        return _content(der)
    except IndexError as exc:
        raise InputError("the signed envelope (.p7m) is cut off") from exc


def _from_base64(data: bytes) -> bytes:
    try:
        return b64decode(_ARMOUR.sub(b"", data), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise InputError("the signed envelope (.p7m) is damaged: it is neither DER nor base64") from exc


def _content(der: bytes) -> bytes:
    outer = _expect(_at(der, 0, 0), _SEQUENCE)
    kind, explicit = _children(der, outer, 2)
    if der[kind.start : kind.end] != _SIGNED_DATA:
        raise InputError("the envelope (.p7m) holds no signed data; it may be encrypted")
    signed = _expect(_children(der, explicit, 1)[0], _SEQUENCE)
    _version, _digests, encapsulated = _children(der, _expect(signed, _SEQUENCE), 3)
    inner = list(_each(der, _expect(encapsulated, _SEQUENCE)))
    if len(inner) < 2 or inner[0].tag != _OID or inner[1].tag != _EXPLICIT_0:
        raise InputError("the file is a signature without the document that it signs")
    return b"".join(_octets(der, _children(der, inner[1], 1)[0], 0))


def _expect(element: _Element, tag: int) -> _Element:
    if element.tag != tag:
        raise InputError("the signed envelope (.p7m) is damaged")
    return element


def _children(der: bytes, element: _Element, count: int) -> list[_Element]:
    """The first `count` elements within one."""
    found: list[_Element] = []
    for child in _each(der, element):
        found.append(child)
        if len(found) == count:
            return found
    raise InputError("the signed envelope (.p7m) is damaged")


def _each(der: bytes, element: _Element, depth: int = 0) -> Iterator[_Element]:
    at = element.start
    while at < element.end:
        child = _at(der, at, depth)
        yield child
        at = child.next


def _octets(der: bytes, element: _Element, depth: int) -> Iterator[bytes]:
    """The bytes of an octet string, which may be written in pieces."""
    if depth > _DEEPEST:
        raise InputError("the signed envelope (.p7m) is nested too deep")
    if element.tag == _OCTETS:
        yield der[element.start : element.end]
    elif element.tag & _CONSTRUCTED:
        for piece in _each(der, element):
            yield from _octets(der, piece, depth + 1)
    else:
        raise InputError("the signed envelope (.p7m) is damaged")


def _at(der: bytes, at: int, depth: int) -> _Element:
    """The element that begins there. One of indefinite length is walked through to find its end."""
    if depth > _DEEPEST:
        raise InputError("the signed envelope (.p7m) is nested too deep")
    tag, first = der[at], der[at + 1]
    start = at + 2
    if first == 0x80 and tag & _CONSTRUCTED:
        end = start
        while der[end : end + 2] != b"\0\0":
            end = _at(der, end, depth + 1).next
        return _Element(tag, start, end, end + 2)
    if first & 0x80:
        count = first & 0x7F
        length = int.from_bytes(der[start : start + count], "big")
        start += count
    else:
        length = first
    if start + length > len(der):
        raise IndexError
    return _Element(tag, start, start + length, start + length)
