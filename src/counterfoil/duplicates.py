"""The same invoice twice in one OUT: the same bytes, or the same seller and number, else number, date and amount.

Who came first is settled by a create-only key, `duplicates/<aa>/<digest>.json`: no two documents ever take each other
for the first, however they race, and one that died after it wrote its key knows it for its own. A key is a claim only.
Before it is believed, the record that it names is asked: a document that was read otherwise since (a retry, a changed
source) no longer holds it, and the key goes to whoever asks.

A credit note is no duplicate of the invoice that it credits. What becomes of the second is the run's to say: review, a
note on it, or nothing. The first can't be changed without a race, so that others are it again is never stored with it,
but derived from their records by whoever reads (`seconds_of`).
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

import orjson

from .document import Finding, OnDuplicates
from .errors import Conflict, ManifestCorrupt
from .jsonfile import Json, decode, encode
from .manifest import Manifest
from .results import Results
from .store import Store, retried

_COUNTRY = re.compile(r"^[A-Z]{2,3}(?=[A-Z]?\d)")
_REFUSALS = 20


@dataclass(frozen=True, slots=True)
class Duplicate:
    """What a record says of it: `code` is duplicate.bytes or duplicate.invoice, `of` the document that came first;
    `noted` if that is a warning only."""

    code: str
    of: str
    noted: bool = False


def key_of(content: Json) -> str | None:
    """The identity of the invoice in a result, 64 hex digits: its kind, seller (tax id, else name) and number; without
    a seller its number, date, amount and currency. None where it has no number, or is no invoice."""
    from .checks_ours import bare_tax_id  # with it comes what invoices are made of, and a run starts sooner without

    invoice: Json = content.get("invoice") or {}
    number = re.sub(r"[\W_]+", "", invoice.get("invoice_number") or "").upper()
    if not number:
        return None
    seller = _COUNTRY.sub("", bare_tax_id(invoice.get("seller_tax_id") or "")) or _name(invoice.get("seller_name"))
    identity: list[Any] = [invoice.get("doc_type"), number, seller]
    if not seller:
        total = invoice.get("gross_total") or invoice.get("amount_due") or "0"
        amount = format(abs(Decimal(total)).normalize(), "f")
        identity += [invoice.get("issue_date"), amount, invoice.get("currency")]
    return hashlib.sha256(orjson.dumps(identity)).hexdigest()


def _name(name: str | None) -> str:
    return re.sub(r"[\W_]+", "", name or "").casefold()


def finding_of(duplicate: Mapping[str, Any]) -> Finding:
    """The finding on the document that came second, from its record."""
    what = "its bytes are those" if duplicate["code"] == "duplicate.bytes" else "it is the same invoice as that"
    message = f"{what} of {duplicate['of']}, which came first"
    field = None if duplicate["code"] == "duplicate.bytes" else "invoice_number"
    return Finding(duplicate["code"], "warning" if duplicate.get("noted") else "error", message, field)


def noted(facts: Mapping[str, Any], duplicate: Duplicate | None) -> dict[str, Any]:
    """The facts of a finished document, in review if it is a duplicate that is more than noted."""
    if duplicate is None:
        return dict(facts)
    codes = sorted({*facts["findings"], duplicate.code})
    named: dict[str, Any] = {"code": duplicate.code, "of": duplicate.of}
    if duplicate.noted:
        return {**facts, "findings": codes, "duplicate": named | {"noted": True}}
    return {**facts, "status": "review", "findings": codes, "duplicate": named}


class Duplicates:
    """The keys of one OUT, as a run wants them used: `off` neither asks nor leaves any."""

    def __init__(self, manifest: Manifest, results: Results, then: OnDuplicates = "review") -> None:
        self._manifest, self._results, self._then = manifest, results, then

    async def first(self, document: str, content: Json) -> Duplicate | None:
        """Which document came before this one, of whose result this is the content, with the same invoice; None if this
        is the first."""
        key = key_of(content) if self._then != "off" else None
        if key is None:
            return None
        payer, noted = content["document"], self._then == "note"
        if payer != document and await self._is_of(payer, content["input"]):
            return Duplicate("duplicate.bytes", payer, noted)
        holder = await self._holder(key, document)
        return Duplicate("duplicate.invoice", holder, noted) if holder != document else None

    async def _holder(self, key: str, document: str) -> str:
        """Who holds a key: this document if nobody else does."""
        place, store, clock = f"duplicates/{key[:2]}/{key}.json", self._manifest.store, self._manifest.clock
        body = encode({"document": document})
        stale: str | None = None
        for attempt in range(_REFUSALS):
            try:
                await retried(clock, partial(_write, store, place, body, stale))
            except Conflict:  # somebody else's, or our own whose reply was lost: only reading tells
                found = await retried(clock, lambda: store.get(place))
                holder = str(decode(found.body, place)["document"]) if found else None
                if holder is not None and (holder == document or await self._holds(holder, key)):
                    return holder
                stale = found.tag if found else None
                await clock.back_off(attempt)
            else:
                return document
        raise ManifestCorrupt(f"{place} can be neither written nor believed; check the store")

    async def _holds(self, document: str, key: str) -> bool:
        """Whether a key's claim is still good; while its document is being read it is, for want of better."""
        record = await self._manifest.get(document)
        if record is None or _without_result(record):
            return False
        if not record.get("result"):
            return True
        stored = await self._results.find(record["input"])
        return stored is not None and key_of(stored.content) == key

    async def _is_of(self, document: str, name: str) -> bool:
        """Whether the document that a result was made for is one of this input still, or on its way to it."""
        record = await self._manifest.get(document)
        return record is not None and not _without_result(record) and record.get("input", name) == name


def _without_result(record: Mapping[str, Any]) -> bool:
    """Whether nothing was read of a document, and no run is going to, for now."""
    return record["status"] in ("failed", "rejected") and not record.get("result")


def _write(store: Store, key: str, body: bytes, stale: str | None) -> Awaitable[str]:
    return store.put_new(key, body) if stale is None else store.put_if(key, body, stale)


async def seconds_of(manifest: Manifest) -> Mapping[str, list[str]]:
    """The documents that are the same invoice again, sorted, by the one that came first: from the records of the
    former."""
    return seconds_in([row async for row in manifest.records() if "duplicate" in row[1]])


def seconds_in(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> Mapping[str, list[str]]:
    """As `seconds_of`, by these records (document, record)."""
    seconds: defaultdict[str, list[str]] = defaultdict(list)
    for document, record in rows:
        if "duplicate" in record:
            seconds[record["duplicate"]["of"]].append(document)
    return {first: sorted(again) for first, again in seconds.items()}


def named(document: str, record: Mapping[str, Any], seconds: Mapping[str, list[str]]) -> dict[str, Any]:
    """The record as it is shown: `duplicates` are the documents that are the same invoice again, if there are any."""
    return {**record, **({"duplicates": seconds[document]} if document in seconds else {})}
