"""What may happen to one record, in rules written anew from the design: the history is replayed, event by event."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

FINISHED = ("done", "review", "failed", "approved", "rejected")
REVIEWS = {
    "corrected": ("done", "review"),
    "approved": ("done", "review"),
    "rejected": ("done", "review", "failed"),
    "reopened": ("approved", "rejected"),
}
"""What people do, and to documents of which status."""


@dataclass(slots=True)
class Breach(Exception):
    """An invariant that did not hold: which, of which document, and how."""

    invariant: str
    document: str
    what: str

    def __str__(self) -> str:
        return f"{self.invariant} {self.document}: {self.what}"


@dataclass(slots=True)
class Replay:
    """Where a document stands after the events so far. `spent` is the sum of the calls that the events tell of, `lost`
    those of them that were out when their claim was taken away; `asking` says that one is out now.
    `corrections` are in force, `read` is what stood there before; `by` is who gave the verdict in force."""

    document: str
    status: str = "absent"
    owner: str | None = None
    attempt: int = 0
    deaths: int = 0
    calling: int = 0
    begun: bool = False
    take: int = 0
    spent: int = 0
    lost: int = 0
    asking: bool = False
    had_result: bool = False
    events: int = 0
    corrections: dict[str, Any] = field(default_factory=dict)
    read: dict[str, Any] = field(default_factory=dict)
    by: str | None = None

    def step(self, event: dict[str, Any]) -> None:
        """Takes one event in; a `Breach` if it may not happen now."""
        if event["event"] == "taken over" or "dead" in event:
            self.deaths += self.begun or not self.deaths  # the first counts, whatever was, others if it was being read
            self.calling += self.asking
        self._count(event)
        self.events += 1
        match event["event"]:
            case "planned":
                self._need(self.status == "absent", "I4", event)
                self.status = "pending"
            case "source changed":
                self._need(self.status != "running", "I2", event)
                self._need(self.status != "approved", "I13", event)
                self._anew()
            case "outdated":
                self._need(self.status == "approved", "I13", event)
            case "corrected" | "approved" | "rejected" | "reopened":
                self._reviewed(event)
            case "claimed":
                self._need(self.status not in FINISHED, "I2", event)
                self._need(self.status == "pending" or self.owner == event["by"], "I3", event)
                self._claimed(event)
            case "resumed":
                self._need(self.status == "running" and self.owner == event["by"], "I3", event)
                self._claimed(event)
            case "taken over":
                self._need(self.status == "running" and self.owner == event["dead"] != event["by"], "I3", event)
                self._need(self.deaths < 3 and self.calling < 10, "I9", event)
                self._claimed(event)
            case "failed" if "dead" in event:
                self._need(self.status == "running" and self.owner == event["dead"], "I3", event)
                self._need(self.deaths == 3 or self.calling == 10, "I9", event)
                self.status, self.owner = "failed", None
            case "begun" | "read":
                same = (event["by"], event["attempt"]) == (self.owner, self.attempt)
                self._need(self.status == "running" and same, "I3", event)
                self._need(self.deaths > 0 and self.begun == (event["event"] == "read"), "I9", event)
                self.begun = not self.begun
            case "asking":
                same = (event["by"], event["attempt"]) == (self.owner, self.attempt)
                self._need(self.status == "running" and same, "I3", event)
                self.asking = True
            case "done" | "review" | "failed":
                same = (event["by"], event["attempt"]) == (self.owner, self.attempt)
                self._need(self.status not in FINISHED, "I4" if same else "I2", event)
                self._need(self.status == "running" and same, "I3", event)
                self.status, self.had_result = event["event"], event["event"] != "failed"
            case "released":
                same = (event["by"], event["attempt"]) == (self.owner, self.attempt)
                self._need(self.status == "running" and same, "I3", event)
                self.status, self.owner = "pending", None
            case "retried":
                self._need(self.status in FINISHED, "I2", event)
                self._need(self.status != "approved", "I13", event)
                self.take += self.had_result
                self._anew()
            case other:
                raise Breach("I2", self.document, f"an event that nobody knows: {other}")

    def _anew(self) -> None:
        self.status, self.owner, self.had_result = "pending", None, False
        self.deaths = self.calling = 0
        self.corrections, self.read, self.by = {}, {}, None

    def _reviewed(self, event: dict[str, Any]) -> None:
        """Who changes what is finished has seen all that happened to it, and overwrites nothing."""
        kind = event["event"]
        self._need(self.status in REVIEWS[kind], "I2", event)
        self._need(event["seen"] == self.events - 1, "I13", event)
        for path, change in event.get("fields", {}).items():
            was = self.read.setdefault(path, change["from"])
            self._need(change["from"] == self.corrections.get(path, was), "I13", event)
            self.corrections[path] = change["to"]
            if change["to"] == was:
                del self.corrections[path]
        given = kind in ("approved", "rejected")
        self.status = kind if given else "review" if self.had_result else "failed"
        self.by = event["by"] if given else None

    def _count(self, event: dict[str, Any]) -> None:
        """A call is said to be lost if and only if it was out when somebody took the claim up."""
        taken = event["event"] in ("claimed", "taken over") or "dead" in event
        calls, lost = event.get("calls", 0), event.get("unknown_calls", 0)
        if taken:
            self._need((calls, lost) == (self.asking, self.asking), "I11", event)
        if event["event"] not in ("resumed", "asking", "begun", "read"):
            self.asking = taken and "asking" in event
        self._need(not (self.begun and event["event"] == "asking"), "I9", event)
        if event["event"] not in ("resumed", "begun", "read"):
            self.begun = False
        self.spent += calls
        self.lost += lost

    def _claimed(self, event: dict[str, Any]) -> None:
        self._need(event["attempt"] == self.attempt + 1, "I3", event)
        self.status, self.owner, self.attempt = "running", event["by"], event["attempt"]

    def _need(self, fine: bool, invariant: str, event: dict[str, Any]) -> None:
        if not fine:
            where = f"{self.status}, owner {self.owner}, attempt {self.attempt}"
            raise Breach(invariant, self.document, f"{event} may not follow on {where}")

    def agrees(self, record: dict[str, Any]) -> None:
        """A `Breach` if the record is not what its history says."""
        spent = (record.get("calls", 0), record.get("unknown_calls", 0), bool(record.get("asking")))
        died = (record.get("deaths", 0), record.get("deaths_calling", 0), "begun" in record)
        said = (record["status"], record["attempt"], record.get("take", 0), *spent, *died)
        died_by_history = (self.deaths, self.calling, self.begun)
        if said != (self.status, self.attempt, self.take, self.spent, self.lost, self.asking, *died_by_history):
            raise Breach("I2", self.document, f"{said} is not what its history says, {self}")
        reviewed = (record.get("corrections", {}), record.get("verdict", {}).get("by"))
        if reviewed != (self.corrections, self.by):
            raise Breach("I13", self.document, f"{reviewed} is not what its history says, {self}")
        if self.status in ("pending", "running") and record["owner"] != self.owner:
            raise Breach("I3", self.document, f"owner {record['owner']} is not what its history says, {self}")
