"""ZIP archives: their members, bounded against bombs before a byte is unpacked.

Runs inside a killable worker process. What the directory claims is held against the limits first: the number of
entries, their bytes together, the ratio, and that no two share their compressed bytes. A size that lies is cut at what
the directory says, and then its checksum is wrong. Nothing is written to disk.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO

from .document import Limits
from .errors import InputError

_DIRECTORY_ENTRY = b"PK\x01\x02"
_UNSUSPICIOUS = 10_000_000
"""Bytes: below, no ratio is too high; blank forms and lists compress well."""
_ENCRYPTED = 0x1


@dataclass(frozen=True, slots=True)
class Member:
    """One thing in a container, by the name it has there. `read` unpacks it, or its first bytes, and raises
    `InputError`."""

    name: str
    size: int
    read: Callable[[], bytes]
    head: Callable[[], bytes]


def open_zip(data: bytes, limits: Limits, what: str = "ZIP archive") -> zipfile.ZipFile:
    """The archive, once its directory has been found to be harmless. Raises `InputError`."""
    if data.count(_DIRECTORY_ENTRY) > limits.max_entries:  # before Python makes an object of each
        raise InputError(f"the {what} has more entries than the limit of {limits.max_entries:,}")
    try:
        archive = zipfile.ZipFile(BytesIO(data))
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, OverflowError) as exc:
        raise InputError(f"the {what} is damaged: {exc}") from exc
    _check(archive.infolist(), limits, what)
    return archive


def _check(entries: Sequence[zipfile.ZipInfo], limits: Limits, what: str) -> None:
    if len(entries) > limits.max_entries:
        raise InputError(f"the {what} has {len(entries):,} entries, more than the limit of {limits.max_entries:,}")
    unpacked, packed = sum(e.file_size for e in entries), sum(e.compress_size for e in entries)
    if unpacked > limits.max_unpacked:
        raise InputError(f"the {what} unpacks to {unpacked:,} bytes, more than the limit of {limits.max_unpacked:,}")
    if unpacked > _UNSUSPICIOUS and unpacked > limits.max_ratio * packed:
        raise InputError(
            f"the {what} unpacks to {unpacked // max(packed, 1):,} times its size, more than the limit of "
            f"{limits.max_ratio:,} times"
        )
    end = 0
    for entry in sorted(entries, key=lambda e: e.header_offset):
        if entry.header_offset < end:
            raise InputError(f"the {what} has entries that overlap, as only bombs do")
        end = entry.header_offset + entry.compress_size


def unpack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limits: Limits, most: int | None = None) -> bytes:
    """The bytes of an entry, or the first `most` of them. Raises `InputError`."""
    if entry.flag_bits & _ENCRYPTED:
        raise InputError("it is encrypted in its archive; unpack it with the password")
    if entry.file_size > limits.max_bytes and most is None:
        raise InputError(f"the file has {entry.file_size:,} bytes, the limit is {limits.max_bytes:,}")
    try:
        with archive.open(entry) as file:
            return file.read() if most is None else file.read(most)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as exc:
        raise InputError(f"it is damaged in its archive: {' '.join(str(exc).split())[:200]}") from exc
    except (NotImplementedError, RuntimeError) as exc:
        raise InputError("it is packed in a way that is not supported; unpack the archive yourself") from exc


def zip_members(data: bytes, limits: Limits, head: int) -> list[Member]:
    """The files of an archive in its order. Raises `InputError`, also where all of them are encrypted."""
    archive = open_zip(data, limits)
    files = [entry for entry in archive.infolist() if not entry.is_dir()]
    if files and all(entry.flag_bits & _ENCRYPTED for entry in files):
        raise InputError("the archive is encrypted; unpack it with its password")

    def member(entry: zipfile.ZipInfo) -> Member:
        return Member(
            entry.filename,
            entry.file_size,
            lambda: unpack(archive, entry, limits),
            lambda: unpack(archive, entry, limits, head),
        )

    return [member(entry) for entry in files]
