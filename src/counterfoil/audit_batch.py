"""What `verify` checks of batches (I12): a document's batch is what its history says, is on record, and is waited for.

It replays with rules of its own, independent of the code that wrote the records, and writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .batch_book import BatchBook
from .commit import Record
from .manifest import Manifest

_SETTLES = {"done", "review", "collected"}


def batch_wrongs(record: Record) -> Iterator[str]:
    """What is wrong with a record's batch, by its own history."""
    batch: Mapping[str, Any] = record.get("batch") or {}
    said = (batch.get("name"), batch.get("request"))
    request: tuple[str | None, str | None] = (None, None)
    for event in record["history"]:
        kind = event["event"]
        if kind == "batched":
            request = (event["batch"], event["request"])
        elif kind in _SETTLES or (kind == "failed" and "dead" not in event):
            request = (None, None)
    if said != request:
        yield f"its record waits for the request {said[1]}, its history for {request[1]}"
    if batch and record["status"] in ("done", "review"):
        yield f"it is finished, and still waits for the batch {said[0]}"


async def book_wrongs(manifest: Manifest, bound: Mapping[tuple[str, str], str]) -> list[tuple[str, str]]:
    """(document, what is wrong) for those that name a batch which is not on record, or which nobody may collect yet.
    `bound` has one document for each (batch, status) in the records, which were read before."""
    if not bound:
        return []
    book = await BatchBook(manifest).read()
    wrongs: list[tuple[str, str]] = []
    for (name, status), document in bound.items():
        if name not in book:
            wrongs.append((document, f"it waits for the batch {name}, which is not on record"))
        elif status == "running" and book[name].live:
            wrongs.append((document, f"it was claimed while its batch {name} is still running"))
    return wrongs
