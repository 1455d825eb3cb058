"""What may become of a document's record where a batch answers for it: pure functions, as in `transitions`.

`batch` in a record names the one request that is out for the document: the batch's `name` (see `batch_book`), `request`
in it, how often it was asked (`round`), how many answers did not fit (`misfits`), how many requests in a row failed
(`failures`), and `shared` where the request is that of an equal document, which pays for it. The document is pending
meanwhile, and nobody claims it before its batch has come to an end. Whoever then finishes it, or asks again, records
what the request took, in the same change that takes `batch` away.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .commit import Change, Record, Records
from .document import Usage
from .errors import ClaimLost
from .spend import added, spent
from .transitions import OUTCOME, holds

_OF_A_CLAIM = OUTCOME | {"asking", "batch"}


@dataclass(frozen=True, slots=True)
class HandOver:
    """One document of a batch that is about to be submitted: its claim, the request, and what is not yet recorded of
    what it took so far."""

    document: str
    attempt: int
    batch: Mapping[str, Any]
    took: Usage


def hand_over(documents: Iterable[HandOver], me: str, at: str) -> Change:
    """The intent: these documents wait for their batch from here on. Claims that were lost are left alone."""
    handed = tuple(documents)

    def change(records: Records) -> Records:
        updates: dict[str, Record] = {}
        for one in handed:
            record = records.get(one.document)
            if record is not None and _handed_over(record, one):
                updates[one.document] = record  # it landed already
            elif record is not None and holds(records, one.document, me, one.attempt):
                event = {"at": at, "event": "batched", "by": me, "attempt": one.attempt, "batch": one.batch["name"]}
                kept = _settled(record, event | {"request": one.batch["request"]}, one.took)
                updates[one.document] = kept | {"status": "pending", "owner": None, "batch": dict(one.batch)}
        return updates

    return change


def _handed_over(record: Record, one: HandOver) -> bool:
    batch = record.get("batch")
    return batch is not None and batch["request"] == one.batch["request"] and record["attempt"] >= one.attempt


def collected(document: str, me: str, attempt: int, took: Usage, at: str) -> Change:
    """The batch's answer was no use, and what it took is known; the document goes on without a batch."""

    def change(records: Records) -> Records:
        if not holds(records, document, me, attempt):
            raise ClaimLost(f"{document}: another worker took it over")
        record = records[document]
        if "batch" not in record:
            return {document: record}
        event: Record = {"at": at, "event": "collected", "by": me, "attempt": attempt}
        return {document: _settled(record, event, took)}

    return change


def _settled(record: Record, event: Record, took: Usage) -> Record:
    """The record without its batch, and with what that took."""
    kept = {key: value for key, value in record.items() if key not in _OF_A_CLAIM}
    return kept | added(record, took) | {"history": [*record.get("history", []), event | spent(took)]}
