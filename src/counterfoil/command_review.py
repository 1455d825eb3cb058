"""`counterfoil review`: one act of a reviewer on one document of an OUT, and what it left."""

from __future__ import annotations

from collections.abc import Mapping

from .commit import Record
from .jsonfile import Json
from .manifest import Manifest
from .results import Results
from .reviewing import review
from .transitions_review import Act


async def review_one(
    out: str, document: str, act: Act, *, by: str, seen: int | None, fields: Mapping[str, str | None], reason: str
) -> tuple[Record, Json | None]:
    """Does it, and returns the record with the result (None if there is none). Raises as `reviewing.review` does."""
    reading = await Manifest.read(out)
    async with Manifest.open(reading.store, clock=reading.clock) as manifest:
        record = await review(manifest, document, act, by=by, seen=seen, fields=fields, reason=reason)
        stored = await Results(manifest.store, manifest.clock).find(record["input"]) if record.get("result") else None
    return record, stored.content if stored else None
