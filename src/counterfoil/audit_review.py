"""What `verify` checks of reviews: who changed a finished document had seen it as it was, and nothing of it is lost.

It replays with rules of its own, independent of the code that wrote the records, and writes nothing.
"""

from __future__ import annotations

from typing import Any, cast

from .commit import Record

REVIEWS = {"corrected", "approved", "rejected", "reopened"}
_READ = ("done", "review")
_FROM = {"corrected": _READ, "approved": _READ, "rejected": (*_READ, "failed"), "reopened": ("approved", "rejected")}


def by_people(record: Record) -> bool:
    """Whether the status of a record is one that people gave it; also of a record whose form is not ours."""
    history = record.get("history")
    last: Any = cast("list[Any]", history)[-1] if isinstance(history, list) and history else None
    return isinstance(last, dict) and cast("Record", last).get("event") in {*REVIEWS, "outdated"}


class Reviews:
    """What people have made of one reading of a document, event by event."""

    def __init__(self) -> None:
        self.corrections: dict[str, Any] = {}
        self.verdict: dict[str, Any] | None = None
        self._read: dict[str, Any] = {}
        self._has_result = False

    def begin(self, kind: str) -> None:
        """The document was read, or is going to be: what people said of an earlier reading is no longer in force."""
        self.__init__()
        self._has_result = kind in _READ

    def next(self, kind: str) -> str:
        """The status that an event of a person leaves."""
        return kind if kind in ("approved", "rejected") else "review" if self._has_result else "failed"

    def step(self, event: Record, before: str, events: int) -> str | None:
        """Takes one event of a person, who found the document in the status `before` and with so many `events`."""
        kind, said = event["event"], f"{event['event']} at {event['at']} by {event['by']}"
        if before not in _FROM[kind]:
            return f"{said}, though it was {before}"
        if event["seen"] != events:
            return f"{said}, who had seen {event['seen']} of its {events} events"
        for path, change in event.get("fields", {}).items():
            was = self._read.setdefault(path, change["from"])
            if change["from"] != self.corrections.get(path, was):
                return f"{said}, who overwrote a correction of {path}"
            self.corrections[path] = change["to"]
            if change["to"] == was:
                del self.corrections[path]
        why = {"reason": event["reason"]} if "reason" in event else {}
        given = kind in ("approved", "rejected")
        self.verdict = {"by": event["by"], "at": event["at"], **why} if given else None
        return None

    def agree(self, record: Record) -> bool:
        """Whether a record says what its history says of reviews."""
        return (self.corrections, self.verdict) == (record.get("corrections", {}), record.get("verdict"))
