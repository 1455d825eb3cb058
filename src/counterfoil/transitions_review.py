"""What a person may do to a finished document: pure functions of records, as in `transitions`.

    done | review -> corrected -> review          done | review -> approved
    done | review | failed -> rejected            approved | rejected -> reopened -> review (failed, without a result)

One change is one event of the history: `corrected`, `approved`, `rejected` or `reopened`, with who did it (`by`), what
they had seen (`seen`), and of each field that they corrected what it said and says (`fields`). The revision of a record
is the number of its events: every change of a record adds one. A change is refused with `ReviewConflict` unless the
record is what its author had seen, so nobody's work is ever overwritten, be it a person's or a run's.

`corrections` in a record are the fields in force that are not as they were read, `verdict` who approved or rejected
it, when and why. The result that was read is never touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .commit import Change, Record, Records
from .errors import Refused, ReviewConflict
from .kinds import CONTAINER

Act = Literal["correct", "approve", "reject", "reopen"]
VERDICTS = frozenset({"approved", "rejected"})
_EVENT: Mapping[Act, str] = {
    "correct": "corrected",
    "approve": "approved",
    "reject": "rejected",
    "reopen": "reopened",
}
_FROM: Mapping[Act, tuple[str, ...]] = {
    "correct": ("done", "review"),
    "approve": ("done", "review"),
    "reject": ("done", "review", "failed"),
    "reopen": ("approved", "rejected"),
}


@dataclass(frozen=True, slots=True)
class Review:
    """One act of one person on one document. `seen` is the revision that they looked at.

    `fields` are the corrections made by it, by path: what stood there, and what is to. `facts` is what they make of the
    record, worked out from that very revision: `corrections` (all in force), `findings`, `summary`.
    """

    document: str
    act: Act
    by: str
    seen: int
    reason: str = ""
    fields: Mapping[str, tuple[Any, Any]] = field(default_factory=dict[str, tuple[Any, Any]])
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])


def revision(record: Mapping[str, Any]) -> int:
    """Which version of a record this is: it grows with every change of it."""
    return len(record.get("history", ()))


def reviewed(review: Review, at: str) -> Change:
    """The change that a review makes; `ReviewConflict` if the record changed since its author looked, `Refused` if it
    is in no state for it."""

    def change(records: Records) -> Records:
        record = records.get(review.document)
        if record is None:
            raise Refused(f"{review.document}: no such document")
        refuse_unseen(review.document, record, review.seen)
        refuse_unfit(review.document, record, review.act)
        return {review.document: _after(record, review, at)}

    return change


def refuse_unseen(document: str, record: Record, seen: int) -> None:
    """Raises `ReviewConflict` if a record is no longer the one that was seen."""
    if revision(record) != seen:
        raise ReviewConflict(document, record.get("history", [])[seen:])


def refuse_unfit(document: str, record: Record, act: Act) -> None:
    """Raises `Refused`, in one sentence, where a document is in no state for this act."""
    status = record.get("status")
    if record.get("reader") == CONTAINER:
        raise Refused(f"{document}: it is an archive or a mail; review the documents in it")
    if status in _FROM[act]:
        return
    if status in VERDICTS:
        raise Refused(f"{document}: {told_verdict(record)}; reopen it first")
    if status in ("pending", "running"):
        raise Refused(f"{document}: it is {status}; there is nothing to review before a run has finished it")
    if status == "failed":
        raise Refused(f"{document}: it failed, so there is nothing to {act}; `counterfoil retry` it, or reject it")
    raise Refused(f"{document}: it is in {status}, not approved or rejected")


def acts_on(record: Mapping[str, Any]) -> frozenset[Act]:
    """What can be done to a document as it is now."""
    if record.get("reader") == CONTAINER:
        return frozenset()
    return frozenset(act for act, statuses in _FROM.items() if record.get("status") in statuses)


def told_verdict(record: Mapping[str, Any]) -> str:
    """`approved by anna on 2026-01-05`, with the reason where there is one."""
    verdict: Mapping[str, Any] = record.get("verdict") or {}
    why = f" ({verdict['reason']})" if verdict.get("reason") else ""
    return f"{record['status']} by {verdict.get('by')} on {str(verdict.get('at'))[:10]}{why}"


def corrections_told(record: Mapping[str, Any]) -> dict[str, str]:
    """Of each correction in force who made it last, and what was read there, in words."""
    corrections: Mapping[str, Any] = record.get("corrections") or {}
    told: dict[str, str] = {}
    read: dict[str, Any] = {}
    for event in record.get("history", ()) if corrections else ():
        if event["event"] == "claimed":  # another reading, which may have found something else
            read.clear()
        for path, change in event.get("fields", {}).items():
            was = read.setdefault(path, change["from"])
            told[path] = f"(corrected by {event['by']}, was {'empty' if was is None else was})"
    return {path: told[path] for path in corrections if path in told}


def _after(record: Record, review: Review, at: str) -> Record:
    event: Record = {"at": at, "event": _EVENT[review.act], "by": review.by, "seen": review.seen}
    if review.fields:
        event["fields"] = {path: {"from": was, "to": to} for path, (was, to) in review.fields.items()}
    why: Record = {"reason": review.reason} if review.reason else {}
    kept = {key: value for key, value in record.items() if key != "verdict"}
    if "corrections" in review.facts and not review.facts["corrections"]:
        kept.pop("corrections", None)
    facts = {key: value for key, value in review.facts.items() if value or key != "corrections"}
    verdict: Record = {"verdict": {"by": review.by, "at": at, **why}} if review.act in ("approve", "reject") else {}
    history = [*record.get("history", []), event | why]
    return {**kept, **facts, "status": _status(record, review.act), **verdict, "history": history}


def _status(record: Record, act: Act) -> str:
    if act in ("approve", "reject"):
        return _EVENT[act]
    return "review" if record.get("result") else "failed"
