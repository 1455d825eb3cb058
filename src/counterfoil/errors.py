"""Every error of Counterfoil, typed by its remedy. An error's message says what is wrong, where, and what to do.

Foreign errors stop at the adapters and are re-raised as one of these, `from exc`. Nothing here does any work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .allowance import Allowance


class CounterfoilError(Exception):
    """The root: catch this to catch whatever Counterfoil raises on purpose."""


class SetupError(CounterfoilError):
    """The set-up must be fixed by a person (credentials, address, option, missing package); retrying is no help."""


class InputError(CounterfoilError):
    """This one document can't be used as it is; fix the document. Ends as its `failed` record, the run goes on."""


class Unavailable(CounterfoilError):
    """A store or a model did not answer, or answered that it can't now; the same request may succeed later.

    A write that ended so may or may not have been applied.
    """


class RateLimited(Unavailable):
    """A model asked us to slow down. `retry_after` is in seconds, None where the server did not say; `allowances` is
    what it said to be left of its limits."""

    def __init__(self, message: str, retry_after: float | None = None, allowances: tuple[Allowance, ...] = ()) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.allowances = allowances


class Unanswered(Unavailable):
    """A request to a model went out and no answer came back: it may have been worked on, and may have to be paid."""


class Conflict(CounterfoilError):
    """A conditional write was refused: the key exists, is gone, or its tag is another. Read, rebase, and try again."""


class Refused(CounterfoilError):
    """A change did not apply to the record as it is now (it says why); nothing was written for it."""


class ClaimLost(Refused):
    """Another worker took this document over; drop it, its result will be theirs."""


class ReviewConflict(Refused):
    """A document changed since the reviewer looked at it; nothing of theirs was recorded. `since` are the events of its
    history that they have not seen."""

    def __init__(self, document: str, since: Sequence[Mapping[str, Any]]) -> None:
        self.document, self.since = document, tuple(since)
        told = "; ".join(told_event(event) for event in self.since[-3:]) or "it was never at that revision"
        super().__init__(f"{document} changed since you looked: {told}; nothing of yours was recorded, look again")


def told_event(event: Mapping[str, Any]) -> str:
    """An event of a history in words: what, by whom, when."""
    by = f" by {event['by']}" if event.get("by") else ""
    fields = f" ({', '.join(event['fields'])})" if event.get("fields") else ""
    return f"{event['event']}{fields}{by} at {event['at']}"


class CommitUncertain(CounterfoilError):
    """This writer was away so long that it can't be known whether its last commit landed; read before writing again."""


class ManifestCorrupt(CounterfoilError):
    """A file under OUT is not what Counterfoil wrote; it names the file. Nothing was overwritten."""
