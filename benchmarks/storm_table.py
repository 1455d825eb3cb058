"""What came out of a storm, as one table for people, with what must be beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .storm_count import Count

_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """One storm. `audits` are what `verify` said during it and, last, after it; times in seconds."""

    place: str
    count: Count
    made: Mapping[str, int]
    errors: Sequence[str]
    audits: Sequence[Mapping[str, Any]]
    clean_runs: int
    fates: Counter[str] | None
    requests: int
    raged_s: float
    wall_s: float

    @property
    def breaches(self) -> list[str]:
        return [f"{b['invariant']} {b['where']}: {b['what']}" for audit in self.audits for b in audit["breaches"]]

    def made_in_words(self, *kinds: str) -> str:
        return " / ".join(str(self.made.get(kind, 0)) for kind in kinds)

    def fates_in_words(self) -> str:
        return "none" if self.fates is None else f"{self.fates.total()} of {self.requests}"


@dataclass(frozen=True, slots=True)
class _Line:
    what: str
    shown: Callable[[Outcome], object]
    must: str = ""
    holds: Callable[[Outcome], bool] = lambda _: True


_LINES = (
    _Line("documents", lambda o: o.count.documents),
    _Line("finished", lambda o: o.count.finished, "all", lambda o: o.count.finished == o.count.documents),
    _Line("lost", lambda o: len(o.count.lost), "0", lambda o: not o.count.lost),
    _Line("wrong", lambda o: len(o.count.wrong), "0", lambda o: not o.count.wrong),
    _Line(
        "paid calls / bound of I8",
        lambda o: f"{o.count.calls} / {o.count.bound}",
        "within",
        lambda o: o.count.calls <= o.count.bound,
    ),
    _Line("calls again without a reason", lambda o: len(o.count.unexplained), "0", lambda o: not o.count.unexplained),
    _Line(
        "verify: breaches in audits",
        lambda o: f"{len(o.breaches)} in {len(o.audits)}",
        "0",
        lambda o: bool(o.audits) and not o.breaches,
    ),
    _Line("commands ended by an error", lambda o: len(o.errors), "0", lambda o: not o.errors),
    _Line("runs started / ended by themselves", lambda o: o.made_in_words("started", "ended by themselves")),
    _Line("kill -9 / SIGSTOP past the lease", lambda o: o.made_in_words("kill -9", "SIGSTOP")),
    _Line("SIGINT / again", lambda o: o.made_in_words("SIGINT", "SIGINT again")),
    _Line("hosts cut off", lambda o: o.made_in_words("hosts cut off")),
    _Line("S3 requests cut", lambda o: o.fates_in_words()),
    _Line("taken over / calls only that exposed", lambda o: f"{o.count.events['taken over']} / {o.count.by_takeover}"),
    _Line("poison / sent back by retry", lambda o: f"{o.count.events['poison']} / {o.count.events['retried']}"),
    _Line("clean runs until all was finished", lambda o: o.clean_runs),
    _Line("storm / all, seconds", lambda o: f"{o.raged_s:.0f} / {o.wall_s:.0f}"),
)


def failed(outcome: Outcome) -> bool:
    return not all(line.holds(outcome) for line in _LINES)


def table(outcomes: Sequence[Outcome], title: str) -> str:
    """A column for each storm, then the first few of each kind of thing that must not be."""
    rows = [(title, *(outcome.place for outcome in outcomes), "must be")]
    for line in _LINES:
        missed = "" if all(map(line.holds, outcomes)) else "   MISSED"
        rows.append((line.what, *(str(line.shown(outcome)) for outcome in outcomes), line.must + missed))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    shown = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    for outcome in outcomes:
        if outcome.fates:
            shown.append(f"cut: {', '.join(f'{number} {fate}' for fate, number in outcome.fates.most_common())}")
        shown += [f"{outcome.place}: {what}" for what in _complaints(outcome)]
    return "\n".join(shown)


def _complaints(outcome: Outcome) -> list[str]:
    counted = outcome.count
    kinds = {"lost": counted.lost, "wrong": counted.wrong, "paid again": counted.unexplained}
    kinds |= {"breach": outcome.breaches, "error": outcome.errors}
    return [f"{kind}: {what}" for kind, found in kinds.items() for what in found[:_SHOWN]]
