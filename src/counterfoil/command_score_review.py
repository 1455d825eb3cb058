"""What reviewers approved, as truths for `counterfoil score`: what was read, beside what a person says it is.

Only approved documents count, and a field that a person corrected was read wrong, however alike the two values are. It
says nothing of the documents that nobody looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from .commit import Record
from .jsonfile import Json
from .rechecking import invoice_said
from .results import Results
from .score import Got
from .score_truth import Truths

_AT_ONCE = 32


async def approved_truths(records: Mapping[str, Record], results: Results) -> tuple[Truths, dict[str, Got]]:
    """The truths of all approved documents among these, and what was read of each."""
    at_once = asyncio.Semaphore(_AT_ONCE)

    async def one(record: Record) -> tuple[Json, Got] | None:
        async with at_once:
            stored = await results.find(record["input"])
        return None if stored is None else (_truth(record, stored.content), got_of(record, stored.content))

    approved = {document: record for document, record in records.items() if record.get("status") == "approved"}
    found = await asyncio.gather(*(one(record) for record in approved.values()))
    known = {document: pair for document, pair in zip(approved, found, strict=True) if pair}
    return Truths({document: truth for document, (truth, _) in known.items()}), {
        d: got for d, (_, got) in known.items()
    }


def _truth(record: Record, content: Json) -> Json:
    said: Json = content["data"] if "data" in content else invoice_said(record, content)
    return {**said, "corrected": list(record.get("corrections") or ())}


def got_of(record: Record, content: Json) -> Got:
    """What was read of a document, and what status that had, whatever people made of it since."""
    by_ocr = content["reader"] != "xml" and content["recipe"].get("ocr")
    reader = f"{content['reader']} (ocr)" if by_ocr else content["reader"]
    status = "review" if record.get("duplicate") else content["status"]
    return Got(status, reader, content.get("data") or content.get("invoice"))
