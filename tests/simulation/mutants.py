"""Defects put into the real code, one at a time: a checker that misses one of them would prove nothing.

Each is a change of the source text of one function. It is a mistake that somebody could make, or once did.
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from counterfoil import asking, commit, deeds, liveness, pipeline, results, transitions, transitions_review, worker


@dataclass(frozen=True, slots=True)
class Mutant:
    """In `owner` (a module or a class), the function `function` reads `new` where it read `old`."""

    name: str
    owner: Any
    function: str
    old: str
    new: str

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The mutant in force for as long as the block lasts."""
        plain = inspect.getattr_static(self.owner, self.function)
        source = textwrap.dedent(inspect.getsource(plain))
        assert source.count(self.old) == 1, f"{self.name}: {self.function} does not read as it did: {self.old}"
        module = sys.modules[plain.__module__]
        space: dict[str, Any] = {}
        code = "from __future__ import annotations\n" + source.replace(self.old, self.new)
        exec(compile(code, f"<{self.name}>", "exec"), module.__dict__, space)
        with patch.object(self.owner, self.function, space[self.function]):
            yield


_LANDED = "found.landed(self._writer, number)"
_BEFORE = """for waiting, outcome in zip(batch, _apply(batch, (self._known or State()).records)[1]):
            waiting.settle(outcome)
        outcomes = await self._commit(batch, self._number)"""
_KEEP = "stored, ours = await self._results.keep(name, encode(content))\n"
_RECORD_FIRST = """from counterfoil.results import digest, result_key
    body, ours = encode(content), True
    stored = Stored(result_key(name), digest(body), content)
"""
_RECORD = "    await self._settle(claim, name, stored, adopted=not ours, judging=judging)"

_NEW = """    self._seen |= {worker: _Seen(mark, now) for worker, mark in marks.items() if worker not in self._seen}
    await self._read_all([worker for worker, seen in self._seen.items() if not seen.read][:_READ_AT_ONCE])
"""

MUTANTS = (
    # The five of the design.
    Mutant("a 412 is believed", commit.Register, "_commit", _LANDED, f"not isinstance(exc, Conflict) and {_LANDED}"),
    Mutant("no fence", transitions, "_held", "not holds(records, document, me, attempt)", "document not in records"),
    Mutant("changes applied twice", commit.Register, "_commit", _LANDED, "False"),
    Mutant(
        "plain PUT for the conditional one",
        commit.Register,
        "_swap",
        "return await self._store.put_if(self._key, body, tag)",
        "await self._store.put(self._key, body)\n    return tag",
    ),
    Mutant(
        "acknowledged before the PUT",
        commit.Register,
        "_land",
        "outcomes = await self._commit(batch, self._number)",
        _BEFORE,
    ),
    # More of the register.
    Mutant("guesses though it may be pruned", commit, "_refuse_to_guess", "found.pruned > base.version", "False"),
    Mutant("pruning leaves no mark", commit.State, "next", "max([self.pruned, *old.values()])", "self.pruned"),
    Mutant("version does not grow", commit.State, "next", "self.version + 1", "max(1, self.version)"),
    Mutant(
        "a cancelled caller is not told what landed",
        commit.Register,
        "_verdict",
        "cancelled = exc",
        "cancelled, waiting.landed = exc, None",
    ),
    Mutant("a cancelled caller does not wait", commit.Register, "_verdict", "cancelled = exc", "raise"),
    # Of claims and liveness.
    Mutant(
        "takeover under the same attempt",
        transitions,
        "_take_over",
        'record | {"deaths": deaths}',
        'record | {"deaths": deaths, "attempt": record["attempt"] - 1}',
    ),
    Mutant(
        "takeover of whatever became of a claim",
        transitions,
        "claim",
        'orphans.get(document) == record["attempt"]',
        "document in orphans",
    ),
    Mutant("a death counts against whatever was held", transitions, "_counts", '"begun" in record', "True"),
    Mutant("no death counts but the first", transitions, "_counts", '"begun" in record', "False"),
    Mutant("what was read is under suspicion still", deeds.Deeds, "read", "transitions.read", "transitions.begin"),
    Mutant("no doubt after a pause", worker.Worker, "assure", "self._answered < self._heart.silences", "False"),
    Mutant(
        "the first heartbeat after a pause ends all doubt",
        liveness.Heart,
        "_attempt",
        "self.notice()",
        "pass",
    ),
    Mutant(
        "a claim is judged by what was resumed before it",
        worker.Worker,
        "_resume",
        "for claim in claims:\n            if",
        "for claim in self._held.by_shard()[shard]:\n            if",
    ),
    Mutant(
        "a listing speaks for the time until it is heard",
        liveness.Liveness,
        "_dead",
        "self._silent(worker, self._looked)",
        "self._silent(worker, self._clock.monotonic())",
    ),
    Mutant(
        "who is being read is not known yet",
        liveness.Liveness,
        "look",
        _NEW,
        "    new = [worker for worker in marks if worker not in self._seen]\n"
        "    for worker, beat in zip(new, await asyncio.gather(*map(self._read, new)), strict=True):\n"
        "        self._seen[worker] = _Seen(marks[worker], now, beat, True)\n",
    ),
    Mutant(
        "dead after a quarter of a lease",
        liveness.Liveness,
        "_silent",
        "max(self._lease, _lease_of(seen.beat))",
        "self._lease / 4",
    ),
    Mutant(
        "who is not known is dead",
        liveness.Liveness,
        "dead",
        "any(self._silent(owner, now) for owner in owners)",
        "False",
    ),
    Mutant(
        "an intent that is heard of after a silence is trusted",
        asking.Asker,
        "ask",
        "await self._tools.worker.assure(claim)  # the intent",
        "pass  # the intent",
    ),
    # Of results and payment.
    Mutant(
        "a cost is counted at each adoption",
        pipeline,
        "untold_usage",
        'event.get("input") == name',
        "False",
    ),
    Mutant("a call goes out without an intent", deeds.Deeds, "intend", "claim.asking >= call", "True"),
    Mutant("the call of a dead worker is forgotten", transitions, "_lost_call", 'record.get("asking")', "False"),
    Mutant(
        "repairs are told at the end only", deeds.Deeds, "intend", "claim.used, claim.untold", "claim.told, NOTHING"
    ),
    Mutant(
        "recorded before the result is stored",
        pipeline.Run,
        "_keep",
        _KEEP + _RECORD,
        _RECORD_FIRST + _RECORD + "\n    await self._results.keep(name, body)",
    ),
    Mutant(
        "results are not looked for",
        pipeline.Run,
        "_outcome",
        "(stored := await self._adoption.find(claim, name)) and",
        "(stored := None) and",
    ),
    Mutant(
        "a result may be overwritten",
        results.Results,
        "keep",
        "self._store.put_new(key, body)",
        "self._store.put(key, body)",
    ),
    Mutant(
        "a paid answer can be cancelled",
        pipeline.Run,
        "_outcome",
        "await settled(self._keep(claim, name, made, examined.reading, how))",
        "await self._keep(claim, name, made, examined.reading, how)",
    ),
    # Of reviews.
    Mutant(
        "a review of what nobody has seen", transitions_review, "refuse_unseen", "revision(record) != seen", "False"
    ),
    Mutant(
        "a changed source has an approved document read again",
        transitions,
        "plan",
        'known["status"] == "approved"',
        "False",
    ),
    Mutant("an approved document is retried", transitions, "retry", 'record["status"] == "approved"', "False"),
    Mutant("a new reading keeps old corrections", transitions, "_unclaimed", "_OF_A_CLAIM", '{"result", "asking"}'),
)
