"""Files that hold documents: ZIP archives, mails, FatturaPA files with several invoices, and those within each other.
Their parts become documents.

Runs inside a killable worker process. It promises that the same bytes have the same parts under the same names, that
every name is safe and unique (`containers_names`), and that the limits hold over the whole tree: entries and nesting. A
container within another that can't be opened (encrypted, damaged, too deep) is a part itself, and fails as a document
with its own reason. Nothing is ever written to disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .containers_names import may_be_document, unique_names
from .containers_zip import Member, zip_members
from .document import Limits
from .errors import InputError
from .kinds import CONTAINERS, HEAD, Kind, kind_of

_NAMES_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Part:
    """A document within a container: its name there, folders and inner containers included, and its bytes' number."""

    name: str
    size: int


class _TooManyError(InputError):
    """The limit of the whole tree; no inner container can take it for its own trouble."""


def parts_of(data: bytes, limits: Limits) -> tuple[Part, ...]:
    """The documents within a container, in its order, at least one. Raises `InputError`."""
    parts = tuple(Part(name, member.size) for name, member in _Tree(limits).leaves(data))
    if not parts:
        raise InputError("there is no document in this archive or mail")
    return parts


def extract(data: bytes, name: str, limits: Limits, ahead: int) -> dict[str, bytes | str]:
    """The part of this name and those after it, until they have `ahead` bytes: whoever wants one wants the next soon.

    A part that can't be taken out has the reason in place of its bytes. Raises `InputError` if there is no such part.
    """
    found: dict[str, bytes | str] = {}
    held = 0
    for at, member in _Tree(limits).leaves(data):
        if not found and at != name:
            continue
        if found and held + member.size > ahead:
            break
        held += member.size
        found[at] = _bytes_or_reason(member)
    if not found:
        raise InputError("it is no longer in its archive or mail")
    return found


def _bytes_or_reason(member: Member) -> bytes | str:
    try:
        return member.read()
    except InputError as exc:
        return str(exc)


def refuse_part(data: bytes, limits: Limits) -> None:
    """Raises the `InputError` of a container that was left closed within another."""
    _members(data, limits)
    raise InputError(f"archives and mails are opened {limits.max_nesting} deep within each other, and this lies deeper")


def told(parts: Sequence[Part]) -> str:
    """What a container holds, for people."""
    names = ", ".join(part.name for part in parts[:_NAMES_SHOWN])
    more = f" and {len(parts) - _NAMES_SHOWN:,} more" if len(parts) > _NAMES_SHOWN else ""
    documents = "1 document" if len(parts) == 1 else f"{len(parts):,} documents"
    return f"{documents} in it, each with a record of its own: {names}{more}"


class _Tree:
    """A container with all that is in it."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._entries = 0

    def leaves(self, data: bytes, depth: int = 1) -> Iterator[tuple[str, Member]]:
        """Every part that may be a document, by its name."""
        members = _members(data, self._limits)
        self._entries += len(members)
        if self._entries > self._limits.max_entries:
            raise _TooManyError(
                f"the archive has more entries than the limit of {self._limits.max_entries:,}, those of archives "
                "within it included"
            )
        for name, member in zip(unique_names(member.name for member in members), members, strict=True):
            if not may_be_document(name):
                continue
            inner = self._within(member, depth)
            if inner is None:
                yield name, member
            else:
                yield from ((f"{name}/{below}", leaf) for below, leaf in inner)

    def _within(self, member: Member, depth: int) -> list[tuple[str, Member]] | None:
        """The parts of a member that is a container itself; None for a document, and for what can't be opened."""
        try:
            if depth >= self._limits.max_nesting or kind_of(member.head()) not in _MAYBE:
                return None
            data = member.read()
            return list(self.leaves(data, depth + 1)) or None if kind_of(data) in CONTAINERS else None
        except _TooManyError:
            raise
        except InputError:
            return None


_MAYBE: frozenset[Kind] = frozenset((*CONTAINERS, "xml", "other"))
"""What the first bytes of a container look like: that an OLE file is a message, or that an XML file holds several
invoices, stands further on in it."""


def _members(data: bytes, limits: Limits) -> list[Member]:
    kind = kind_of(data)
    if kind == "zip":
        return zip_members(data, limits, HEAD)
    if kind == "mail":
        from .containers_mail import mail_members  # archives are opened sooner without

        return mail_members(data, limits)
    if kind == "fatture":
        return _fatture(data, limits)
    from .containers_msg import msg_members

    return msg_members(data, limits)


def _fatture(data: bytes, limits: Limits) -> list[Member]:
    """The invoices of a FatturaPA file, each as a file with that one, named by its number."""
    from .einvoice_fatturapa_split import split_fatturapa

    def member(number: str, body: bytes) -> Member:
        return Member(f"{number.replace('/', '-') or 'invoice'}.xml", len(body), lambda: body, lambda: body[:HEAD])

    return [member(number, body) for number, body in split_fatturapa(data, limits)]
