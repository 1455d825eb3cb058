"""Changes to many documents at once, each recorded as its own: one commit a shard, whatever their number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from . import transitions
from .commit import Change, Record, Records
from .errors import Refused
from .manifest import Manifest, shard_of
from .transitions_review import Review, refuse_unseen, reviewed


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many documents were changed, and how many could not be: they are in another status by now, or gone."""

    changed: int
    refused: int


async def retry_all(reading: Manifest, seen: Mapping[str, int], _by: str) -> Outcome:
    """Finished documents back to pending, for the next run to read: those that still are as they were seen. One that a
    person has corrected is left; what they did is given up only on its own page."""

    def retry(document: str, at: str) -> Change:
        def change(records: Records) -> Records:
            record = records.get(document, {})
            refuse_unseen(document, record, seen[document])
            if record.get("corrections"):
                raise Refused(f"{document}: a person has corrected it")
            return transitions.retry(document, at)(records)

        return change

    return await change_all(reading, seen, retry)


async def approve_all(reading: Manifest, seen: Mapping[str, int], by: str) -> Outcome:
    """Approves those that still are as `by` saw them: `seen` is the revision of each."""

    def approve(document: str, at: str) -> Change:
        return reviewed(Review(document, "approve", by, seen[document]), at)

    return await change_all(reading, seen, approve)


async def change_all(reading: Manifest, documents: Collection[str], change_of: Callable[[str, str], Change]) -> Outcome:
    """Makes the change of (document, time) for each; what is refused is left as it is, and hinders no other."""
    by_shard: defaultdict[int, list[str]] = defaultdict(list)
    for document in documents:
        by_shard[shard_of(document, reading.shards)].append(document)
    changed = 0
    async with Manifest.open(reading.store, clock=reading.clock) as manifest:
        for shard, named in sorted(by_shard.items()):
            changed += len(await manifest.register(shard).commit(_together(named, manifest.clock.stamp(), change_of)))
            manifest.register(shard).forget()
    return Outcome(changed, len(documents) - changed)


def _together(documents: Sequence[str], at: str, change_of: Callable[[str, str], Change]) -> Change:
    def change(records: Records) -> Records:
        updates: dict[str, Record] = {}
        for document in documents:
            try:
                updates |= change_of(document, at)(records)
            except Refused:
                continue
        return updates

    return change
