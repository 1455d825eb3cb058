"""`counterfoil retry`: finished documents back to pending, each in one recorded change."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from . import transitions
from .commit import Record, Records
from .errors import Refused, SetupError
from .manifest import Manifest, shard_of


async def send_back(out: str, statuses: Collection[str], documents: Sequence[str]) -> int:
    """Sends back the named documents and all of `statuses` (failed, if neither is given); returns how many.

    A named document that does not exist, is not finished, or is approved is a `SetupError`, and then none is sent back.
    One that a person has corrected is sent back only by its name.
    """
    reading = await Manifest.read(out)
    if documents:
        await _check_names(reading, documents)
    wanted = set(statuses) or (set() if documents else {"failed"})
    count = 0
    async with Manifest.open(reading.store, clock=reading.clock) as manifest:
        for shard in sorted(await manifest.marks()):
            named = {d for d in documents if shard_of(d, manifest.shards) == shard}
            at = manifest.clock.stamp()

            def change(records: Records, named: Collection[str] = named, at: str = at) -> Records:
                chosen = [d for d, r in records.items() if d in named or _is_wanted(r, wanted)]
                updates: dict[str, Record] = {}
                for document in chosen:
                    updates |= transitions.retry(document, at)(records)
                return updates

            count += len(await manifest.register(shard).commit(change))
            manifest.register(shard).forget()
    return count


def _is_wanted(record: Record, statuses: Collection[str]) -> bool:
    return record.get("status") in statuses and not record.get("corrections")


async def _check_names(manifest: Manifest, documents: Sequence[str]) -> None:
    for document in documents:
        record = await manifest.get(document)
        try:
            transitions.retry(document, "")({} if record is None else {document: record})
        except Refused as exc:
            raise SetupError(f"{exc}; `counterfoil list` names the documents") from exc
