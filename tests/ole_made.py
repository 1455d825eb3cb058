"""A minimal OLE compound file, and an Outlook message in it: streams padded to whole sectors, no mini stream."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

_SECTOR, _LEAST = 512, 4096
_NONE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD


def _entry(name: str, kind: int, right: int, child: int, start: int, size: int) -> bytes:
    encoded = name.encode("utf-16-le")
    head = encoded.ljust(64, b"\0") + struct.pack("<HBB", len(encoded) + 2, kind, 1)
    return head + struct.pack("<III", _NONE, right, child) + bytes(36) + struct.pack("<IQ", start, size)


def make_ole(tree: Mapping[str, Any]) -> bytes:
    """A file of these storages (mappings) and streams (bytes; zeros are added up to 4,096)."""
    entries: list[Any] = []
    sectors: list[bytes] = []
    chain: list[int] = []

    def add(name: str, node: Any, right: int) -> int:
        number = len(entries)
        entries.append(None)
        if isinstance(node, bytes):
            body = node.ljust(max(_LEAST, -(-len(node) // _SECTOR) * _SECTOR), b"\0")
            start, count = len(sectors), len(body) // _SECTOR
            sectors.extend(body[at : at + _SECTOR] for at in range(0, len(body), _SECTOR))
            chain.extend([*range(start + 1, start + count), _END])
            entries[number] = _entry(name, 2, right, _NONE, start, max(len(node), _LEAST))
        else:
            entries[number] = _entry(name, 1 if number else 5, right, children(node), 0, 0)
        return number

    def children(node: Mapping[str, Any]) -> int:
        right = _NONE
        for name, inner in reversed(node.items()):
            right = add(name, inner, right)
        return right

    add("Root Entry", tree, _NONE)
    listing = b"".join(entries)
    listing += _entry("", 0, _NONE, _NONE, 0, 0) * (-len(entries) % 4)
    first = len(sectors)
    count = len(listing) // _SECTOR
    sectors.extend(listing[at : at + _SECTOR] for at in range(0, len(listing), _SECTOR))
    chain.extend([*range(first + 1, first + count), _END])
    tables = -(-(len(chain) + 8) // 128)
    chain.extend([_FAT] * tables)
    fat = struct.pack(f"<{len(chain)}I", *chain).ljust(tables * _SECTOR, b"\xff")
    where = [len(sectors) + n for n in range(tables)]
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 62, 3, 0xFFFE, 9, 6) + bytes(6)
    head += struct.pack("<IIIIIIIII", 0, tables, first, 0, _LEAST, _END, 0, _END, 0)
    head += struct.pack(f"<{tables}I", *where).ljust(109 * 4, b"\xff")
    return head + b"".join(sectors) + fat


def make_msg(html: str = "", plain: str = "", **attached: bytes | Mapping[str, Any]) -> bytes:
    """An Outlook message; the names of what is attached have `__` for their dot."""
    return make_ole(message(html, plain, **attached))


def message(html: str = "", plain: str = "", **attached: bytes | Mapping[str, Any]) -> dict[str, Any]:
    """The storage of a message; one that is attached is a mapping itself."""
    tree: dict[str, Any] = {"__properties_version1.0": b"", "__nameid_version1.0": {}}
    if html:
        tree["__substg1.0_10130102"] = html.encode()
    if plain:
        tree["__substg1.0_1000001F"] = plain.encode("utf-16-le")
    for number, (name, data) in enumerate(attached.items()):
        at: dict[str, Any] = {"__substg1.0_3707001F": name.replace("__", ".").encode("utf-16-le")}
        at["__substg1.0_37010102" if isinstance(data, bytes) else "__substg1.0_3701000D"] = data
        tree[f"__attach_version1.0_#{number:08X}"] = at
    return tree
