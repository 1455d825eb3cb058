"""What may become of a document's record: pure functions of records, the rules of the manifest in one place.

Each returns a `Change` for `commit.Register`. Everything that varies (time, worker, who is dead) is frozen in when the
change is made, so that a change run twice on the same records gives the same records. Nothing here reads or writes.

A record: `status` is pending, running, done, review or failed, or what a person made of it: approved or rejected (see
`transitions_review`). `owner` and `attempt` name one claim (the fence).
`take` counts the deliberate re-readings of a document that had a result;
`mark` and `size` are the source's; `history` says who did what and when; spend is summed over all attempts.

`deaths` counts the workers that died with it: the first that held it makes it a suspect; those after it count if it was
being read, of which a suspect's record tells (`begun`). `deaths_calling` counts those that died with a call for it out.

`asking` is the intent to call a model: n while call n of this claim may be out. What the calls before it took is in the
record by then. Who takes a claim from another counts the call that was out as one of unknown outcome.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from .commit import Change, Record, Records
from .document import Usage
from .errors import ClaimLost, Refused
from .spend import LOST_CALL, NOTHING, added, spent
from .transitions_review import VERDICTS, told_verdict

READ = frozenset({"done", "review", "failed"})
"""What a run makes of a document."""
FINISHED = READ | VERDICTS
STATUSES = ("pending", "running", "done", "review", "failed", "approved", "rejected")
MAX_DEATHS = 3
MAX_DEATHS_CALLING = 10
"""With a call out all that were asked at that time have died with the worker, so that one says little of any of them;
but each has its price, and must come to an end."""
INPUT_SHOWN = 16
"""Hex digits of an input's name in the history: enough to tell those of one document apart."""
# What an outcome leaves in a record; gone when the document starts anew.
OUTCOME = frozenset(
    {"reason", "input", "result", "result_sha256", "reader", "adopted", "findings", "summary", "duplicate"}
    | {"corrections", "verdict", "outdated"}
)
_OF_A_CLAIM = OUTCOME | {"asking", "begun"}
_DEATHS = frozenset({"deaths", "deaths_calling"})


def _event(record: Record, at: str, event: str, **more: Any) -> list[Record]:
    return [*record.get("history", []), {"at": at, "event": event, **more}]


def _anew(record: Record) -> Record:
    """The record without its last outcome, free to be claimed."""
    return _unclaimed(record) | {"status": "pending", "owner": None}


def _forgiven(record: Record) -> Record:
    """The record anew, above suspicion."""
    return {key: value for key, value in _anew(record).items() if key not in _DEATHS}


def _unclaimed(record: Record) -> Record:
    return {key: value for key, value in record.items() if key not in _OF_A_CLAIM}


def plan(documents: Iterable[tuple[str, str, int]], at: str, within: str | None = None) -> Change:
    """Adds documents (id, mark, size) that are new; sends one whose source changed back to pending, unless it was
    approved: then its record says that it is `outdated`. `within`: they are parts of this document of the source."""
    planned = tuple(documents)

    def change(records: Records) -> Records:
        updates: dict[str, Record] = {}
        for document, mark, size in planned:
            known = records.get(document)
            source = {"mark": mark, "size": size} | ({"within": within} if within else {})
            if known is None:
                fresh: Record = {"status": "pending", "attempt": 0, "owner": None, **source}
                updates[document] = fresh | {"history": _event({}, at, "planned")}
            elif known["mark"] == mark or known["status"] == "running":
                continue
            elif known["status"] == "approved":
                if known.get("outdated", {}).get("mark") != mark:
                    history = _event(known, at, "outdated", mark=mark)
                    updates[document] = known | {"outdated": {"mark": mark, "at": at}, "history": history}
            else:
                history = _event(known, at, "source changed", was=known["status"])
                updates[document] = _forgiven(known) | {**source, "history": history}
        return updates

    return change


def claim(
    me: str,
    most: int,
    orphans: Mapping[str, int],
    held: Collection[str],
    at: str,
    *,
    asking: bool = False,
    awake: Collection[str] = (),
    crowded: bool = True,
) -> Change:
    """Claims up to `most` documents: pending ones, those of dead owners, and ours that we do not know of (a claim whose
    verdict we missed), those first with which the fewest workers have died. One with which too many have becomes failed
    instead, as poison.

    `orphans` are the very claims (document: attempt) whose owners were found dead: what was claimed since is not.
    `asking`: the first call of each follows at once, without an intent of its own; not of suspects. A document that
    waits for a batch is left alone unless that is one of those `awake`, which have come to an end. Unless `crowded`,
    nothing is claimed where others hold claims."""

    def change(records: Records) -> Records:
        updates: dict[str, Record] = {}
        if not crowded and any(_is_of_others(document, record, me, orphans) for document, record in records.items()):
            return updates
        claimed = 0
        for document, record in sorted(records.items(), key=_deaths):
            if claimed >= most:
                break
            status, owner, batch = record["status"], record["owner"], record.get("batch")
            if batch is not None and batch["name"] not in awake:
                continue
            first = asking and batch is None and not record.get("deaths")
            if status == "running" and orphans.get(document) == record["attempt"]:
                updates[document] = taken = _take_over(record, me, at)
                claimed += taken["status"] == "running"
            elif status == "pending" or (status == "running" and owner == me and document not in held):
                updates[document] = _claimed(record, me, at, "claimed", first)
                claimed += 1
        return updates

    return change


def _deaths(row: tuple[str, Record]) -> int:
    """How many deaths count against a document, should the worker that holds it have died."""
    record = row[1]
    return record.get("deaths", 0) + (record["status"] == "running" and _counts(record))


def _is_of_others(document: str, record: Record, me: str, orphans: Mapping[str, int]) -> bool:
    return record["status"] == "running" and record["owner"] != me and orphans.get(document) != record["attempt"]


def _claimed(record: Record, me: str, at: str, event: str, asking: bool, **more: Any) -> Record:
    lost = _lost_call(record)
    attempt = record["attempt"] + 1
    history = _event(
        record, at, event, by=me, attempt=attempt, **({"asking": 1} if asking else {}), **more, **spent(lost)
    )
    claimed = _unclaimed(record) | {"status": "running", "owner": me, "attempt": attempt, "history": history}
    return claimed | ({"asking": 1} if asking else {}) | _added(record, lost)


def _lost_call(record: Record) -> Usage:
    """The call that the last holder of a record had out when it was taken from it."""
    return LOST_CALL if record.get("asking") else NOTHING


def _added(record: Record, usage: Usage) -> Record:
    return added(record, usage) if usage != NOTHING else {}


def resume(me: str, claims: Mapping[str, int], at: str) -> Change:
    """Takes up claims (document: attempt) again, under a new attempt, after this worker was away for so long that a
    takeover of them may be on its way: that one is void then. Claims that were taken over already are left alone."""

    def change(records: Records) -> Records:
        return {
            document: _resumed(records[document], me, at)
            for document, attempt in claims.items()
            if holds(records, document, me, attempt)
        }

    return change


def _resumed(record: Record, me: str, at: str) -> Record:
    attempt = record["attempt"] + 1
    return record | {"attempt": attempt, "history": _event(record, at, "resumed", by=me, attempt=attempt)}


def _take_over(record: Record, me: str, at: str) -> Record:
    deaths = record.get("deaths", 0) + _counts(record)
    calling = record.get("deaths_calling", 0) + ("asking" in record)
    counted = record | {"deaths": deaths} | ({"deaths_calling": calling} if calling else {})
    if deaths < MAX_DEATHS and calling < MAX_DEATHS_CALLING:
        return _claimed(counted, me, at, "taken over", False, dead=record["owner"])
    lost = _lost_call(record)
    many = f"{deaths} workers died with" if deaths >= MAX_DEATHS else f"{calling} workers died while they asked for"
    reason = f"{many} this document; look at it, then `retry` it"
    history = _event(record, at, "failed", by=me, dead=record["owner"], reason=reason, **spent(lost))
    failed: Record = {"status": "failed", "owner": None, "reason": reason, "history": history}
    return _unclaimed(counted) | failed | _added(record, lost)


def _counts(record: Record) -> bool:
    """Whether the death of its worker counts against a document: the first, which makes it a suspect, and then those
    in whose moment it was being read."""
    return not record.get("deaths") or "begun" in record


def begin(document: str, me: str, attempt: int, at: str) -> Change:
    """A suspect is being read: if this worker dies now, that counts. A superseded claim is refused with `ClaimLost`."""

    def change(records: Records) -> Records:
        record = _held(records, document, me, attempt)
        if "begun" in record:
            return {document: record}
        return {document: {**record, "begun": True, "history": _event(record, at, "begun", by=me, attempt=attempt)}}

    return change


def read(document: str, me: str, attempt: int, at: str) -> Change:
    """A suspect was read, and did no harm by that. A superseded claim is refused with `ClaimLost`."""

    def change(records: Records) -> Records:
        record = _held(records, document, me, attempt)
        if "begun" not in record:
            return {document: record}
        rest = {key: value for key, value in record.items() if key != "begun"}
        return {document: {**rest, "history": _event(record, at, "read", by=me, attempt=attempt)}}

    return change


def ask(document: str, me: str, attempt: int, call: int, before: Usage, at: str) -> Change:
    """The intent to make call `call` (from 1) of a claim, and what the calls `before` it took that no record tells of.

    A second landing of the same intent changes nothing. A superseded claim is refused with `ClaimLost`.
    """

    def change(records: Records) -> Records:
        record = _held(records, document, me, attempt)
        if record.get("asking", 0) >= call:
            return {document: record}
        history = _event(record, at, "asking", by=me, attempt=attempt, call=call, **spent(before))
        return {document: {**record, "asking": call, **_added(record, before), "history": history}}

    return change


def holds(records: Records, document: str, me: str, attempt: int) -> bool:
    """Whether this claim is still the current one: the fence."""
    record = records.get(document)
    return record is not None and (record["status"], record["owner"], record["attempt"]) == ("running", me, attempt)


def _held(records: Records, document: str, me: str, attempt: int) -> Record:
    if not holds(records, document, me, attempt):
        raise ClaimLost(f"{document}: another worker took it over")
    return records[document]


def finish(document: str, me: str, attempt: int, facts: Mapping[str, Any], usage: Usage, at: str) -> Change:
    """Ends a claim with its outcome (`facts`: status, result and what `list` shows), adding what it cost.

    A second landing of the same finish changes nothing. A superseded claim is refused with `ClaimLost`.
    """

    def change(records: Records) -> Records:
        known = records.get(document)
        if known and known["status"] in FINISHED and (known["owner"], known["attempt"]) == (me, attempt):
            return {document: known}
        record = _held(records, document, me, attempt)
        event = _event(record, at, facts["status"], by=me, attempt=attempt, **_settled(facts), **spent(usage))
        settled = {key: value for key, value in _unclaimed(record).items() if key != "batch"}
        return {document: {**settled, **facts, **added(record, usage), "history": event}}

    return change


def _settled(facts: Mapping[str, Any]) -> Record:
    """What a finish leaves in the history of its outcome: why, and which input it settled."""
    why: Record = {"reason": facts["reason"]} if facts.get("reason") else {}
    return why | ({"input": facts["input"][:INPUT_SHOWN]} if facts.get("input") else {})


def release(claims: Iterable[tuple[str, int]], me: str, usage: Mapping[str, Usage], at: str) -> Change:
    """Gives claims (id, attempt) back unfinished, with what they have spent; superseded ones are left alone."""
    given = tuple(claims)

    def change(records: Records) -> Records:
        updates: dict[str, Record] = {}
        for document, attempt in given:
            if not holds(records, document, me, attempt):
                continue
            record = records[document]
            used = usage.get(document, NOTHING)
            history = _event(record, at, "released", by=me, attempt=attempt, **spent(used))
            updates[document] = _anew(record) | _added(record, used) | {"history": history}
        return updates

    return change


def retry(document: str, at: str) -> Change:
    """Sends a finished document back to pending; one that had a result is read anew (`take`), not adopted from it."""

    def change(records: Records) -> Records:
        record = records.get(document)
        if record is None:
            raise Refused(f"{document}: no such document")
        if record["status"] == "approved":
            raise Refused(
                f"{document}: {told_verdict(record)}, and stays as it is; `counterfoil review --reopen` it first"
            )
        if record["status"] not in FINISHED:
            raise Refused(f"{document}: it is {record['status']}, only what is finished can be retried")
        take = record.get("take", 0) + (1 if record.get("result") else 0)
        history = _event(record, at, "retried", was=record["status"])
        return {document: _forgiven(record) | {"take": take, "history": history}}

    return change
