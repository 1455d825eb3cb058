"""The independent checker: it sees each write as the store accepts it, each call as the model gets it, and each word
that a caller was given. It never asks the code under test what it believes."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

import orjson

from .calls import Calls
from .loop import Body
from .rules import FINISHED, REVIEWS, Breach, Replay
from .server import Server

Record = dict[str, Any]
_INTERNAL = "internal error"


class Checker:
    """The truth of one run, and how often each invariant was held against it (`checks`)."""

    def __init__(self, server: Server, calls: Calls, lease: float) -> None:
        self._server, self._calls, self._lease = server, calls, lease
        self.checks: Counter[str] = Counter()
        self.versions: dict[str, list[dict[str, Record]]] = {}
        self.replays: dict[str, Replay] = {}
        self.uncertain: set[str] = set()
        self.dead: dict[str, float] = {}
        self._beats: defaultdict[str, list[float]] = defaultdict(list)
        self._claimed: dict[str, float] = {}
        self._tokens: set[str] = set()

    # --- what the store accepts

    def written(self, op: str, key: str, body: bytes, now: float) -> None:
        if ".finished." in key:
            self._seal(op, key)
        elif key.startswith("manifest/"):
            self._shard(op, key, body, now)
        elif key.startswith("results/"):
            self._result(op, key, body)
        elif key.startswith("workers/"):
            self._beat(op, key.removeprefix("workers/").removesuffix(".json"), now)

    def _seal(self, op: str, key: str) -> None:
        """A seal tells of a version that there was, and in which everything was finished."""
        shard, _, told = key.partition(".finished.")
        counts = {status: int(n) for status, _, n in (each.partition("-") for each in told.split(".")[1:] if each)}
        versions = self.versions[f"{shard}.json"]
        there = (Counter(record["status"] for record in records.values()) for records in versions)
        if op != "delete" and (counts not in there or {"pending", "running"} & counts.keys()):
            raise Breach("I1", key, "a seal tells of what never was")

    def _shard(self, op: str, key: str, body: bytes, now: float) -> None:
        self.checks["I5"] += 1
        if op == "delete":
            raise Breach("I1", key, "a shard was deleted")
        content = orjson.loads(body)
        versions = self.versions.setdefault(key, [])
        if content["version"] != len(versions) + 1:
            raise Breach("I5", key, f"version {content['version']} was accepted after {len(versions)}")
        before, after = (versions[-1] if versions else {}), content["records"]
        versions.append(after)
        self.checks["I1"] += 1
        if gone := before.keys() - after.keys():
            raise Breach("I1", min(gone), f"version {content['version']} does not have it any more")
        for document, record in after.items():
            if record != (known := before.get(document)):
                (self._count if "tokens" in record else self._record)(document, known or {}, record, now)

    def _count(self, name: str, before: Record, after: Record, now: float) -> None:
        had, has = before.get("tokens", []), after["tokens"]
        if has[: len(had)] != had:
            raise Breach("I1", name, f"lost {[t for t in had if t not in has]}")
        self.checks["I4"] += 1
        for token in has[len(had) :]:
            if token in self._tokens:
                raise Breach("I4", name, f"{token} took effect twice")
            self._tokens.add(token)

    def _record(self, document: str, before: Record, after: Record, now: float) -> None:
        old, new = before.get("history", []), after["history"]
        if new[: len(old)] != old:
            raise Breach("I1", document, f"its history was {old}, and became {new}")
        if len(new) == len(old):
            raise Breach("I2", document, f"changed without a word: {before} became {after}")
        replay = self.replays.setdefault(document, Replay(document))
        for event in new[len(old) :]:
            self._event(replay, event, now)
        self.checks["I2"] += 1
        replay.agrees(after)
        self._finished(document, after)

    def _event(self, replay: Replay, event: Record, now: float) -> None:
        kind, owner = event["event"], replay.owner
        self.checks["I3"] += kind in ("done", "review", "failed", "released")
        self.checks["I13"] += kind in REVIEWS or replay.status == "approved"
        if kind == "claimed" and replay.status == "running" and owner == event["by"]:
            self.checks["I6"] += 1
            if owner not in self.uncertain:
                raise Breach("I6", replay.document, f"{owner} did not know that it held it")
        if "dead" in event:
            self._takeover(replay.document, event["dead"], now)
        replay.step(event)
        if kind in ("claimed", "taken over"):
            self._claimed[replay.document] = now

    def _takeover(self, document: str, owner: str, now: float) -> None:
        """Only who is dead, or was silent for a lease since it made the claim, may lose it."""
        self._calls.excuse("superseded", owner, document)
        self.checks["I8"] += 1
        beats = [*self._beats[owner], now]
        silence = max((b - a for a, b in pairwise(beats) if b > self._claimed[document]), default=0.0)
        if owner not in self.dead and silence < self._lease:
            raise Breach("I8", document, f"taken from {owner}, alive and silent for {silence:.1f} s at most")

    def _finished(self, document: str, record: Record) -> None:
        if record.get("reason", "").startswith(_INTERNAL):
            raise Breach("defect", document, record["reason"])
        self.checks["I11"] += 1
        made, told = len(self._calls.of[document]), record.get("calls", 0)
        if told - record.get("unknown_calls", 0) > made:
            raise Breach("I11", document, f"{told} calls recorded, {made} made")
        if record["status"] in FINISHED and told < made:
            raise Breach("I11", document, f"{told} calls recorded, {made} made")
        if record["status"] not in ("done", "review", "approved"):
            return
        self.checks["I7"] += 1
        body = self._server.read(record["result"])
        if body is None or hashlib.sha256(body).hexdigest() != record["result_sha256"]:
            found = "another" if body else "nothing"
            raise Breach("I7", document, f"{record['status']}, but {found} is at {record['result']}")

    def _result(self, op: str, key: str, body: bytes) -> None:
        self.checks["I7"] += 1
        if op != "put_new":
            raise Breach("I7", key, f"a result was written by {op}")
        self.offered(body)

    def offered(self, body: bytes) -> None:
        """A result is in the store now, or was found to be there already."""
        content = orjson.loads(body)
        self._calls.kept(content["worker"], content["document"])

    def _beat(self, op: str, worker: str, now: float) -> None:
        if op == "delete":
            self.dead.setdefault(worker, now)
        else:
            self._beats[worker].append(now)

    # --- what callers are told

    def told(self, key: str, since: int, outcome: dict[str, Record], cancelled: bool) -> None:
        """An acknowledgement: these records must have been in one version accepted since the change came."""
        invariant = "I10" if cancelled else "I1"
        self.checks[invariant] += 1
        for records in reversed(self.versions.get(key, [])[max(0, since - 1) :]):
            if all(_within(record, records.get(document)) for document, record in outcome.items()):
                return
        if outcome:
            raise Breach(invariant, min(outcome), f"acknowledged, but never in the store: {outcome}")

    def read(self, key: str, least: int, version: int, records: Any) -> None:
        """A reader's view: not older than what was there when it asked, and exactly what was written."""
        self.checks["I1"] += 1
        if version < least:
            raise Breach("I1", key, f"a read shows version {version} after {least} was there")
        if version and self.versions[key][version - 1] != records:
            raise Breach("I1", key, f"a read shows a version {version} that was never written")

    def called(self, by: Body, document: str) -> int:
        """A call goes out: it must be of the holder. Returns which deliberate reading of the document it is."""
        self.checks["I8"] += 1
        replay = self.replays[document]
        if (replay.status, replay.owner) != ("running", by.name):
            raise Breach("I8", document, f"{by.name} calls for it: {replay.status}, owner {replay.owner}")
        self.checks["I11"] += 1
        if not replay.asking or replay.spent < len(self._calls.of[document]):
            raise Breach("I11", document, f"a call goes out, and the record doesn't tell of all: {replay}")
        return replay.take

    def left(self, by: Body) -> None:
        """A process has ended in good order: nothing may be held in its name, and no answer thrown away."""
        self.checks["I6"] += 1
        for replay in self.replays.values():
            if replay.status == "running" and replay.owner == by.name:
                raise Breach("I6", replay.document, f"{by.name} left, and did not know that it held it")
        self.checks["I10"] += 1
        if call := self._calls.lost(by):
            raise Breach("I10", call.key[0], f"{by.name} threw away an answer that was paid for: {call}")

    def ended(self, documents: list[str]) -> None:
        """Faults have stopped and everybody is done."""
        for document in documents:
            self.checks["I9"] += 1
            replay = self.replays.get(document)
            if replay is None or replay.status not in FINISHED:
                raise Breach("I9", document, f"never finished: {replay}")

    def latest(self, key: str) -> int:
        return len(self.versions.get(key, []))


def _within(told: Record, found: Record | None) -> bool:
    """Whether a record is what was told, or that and more: other changes may have ridden in the same write."""
    if found is None or told == found:
        return found is not None
    return any(kind in told and found[kind][: len(told[kind])] == told[kind] for kind in ("history", "tokens"))
