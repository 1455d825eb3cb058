"""What can be told of a run while it works, for whoever watches it. Data only.

Moments and durations are in seconds; `begun` is on the clock of the run, whose zero means nothing. Every text in here
may come from outside (a document's id is its file's name): whoever shows it makes it harmless first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, get_args

from .document import Usage

Stage = Literal["fetch", "read", "ask", "judge", "keep", "record"]
"""What happens to a document, in this order: its bytes are fetched, read into text, the model is asked, its answer is
judged, the result is stored, and its record written. Reading may come before the claim, and not every document is asked
about."""
STAGES: tuple[Stage, ...] = get_args(Stage)

CallOutcome = Literal["answered", "refused", "unavailable", "unreachable", "unknown", "rejected"]
"""What became of a call: `refused` for the rate; `unavailable` by the server's own word; `unreachable`: not even sent;
`unknown`: it timed out, or was broken off, and may have to be paid; `rejected`: never to be made again."""
CALL_OUTCOMES: tuple[CallOutcome, ...] = get_args(CallOutcome)


@dataclass(frozen=True, slots=True)
class Joined:
    """This process is a worker at the OUT now."""

    worker: str


@dataclass(frozen=True, slots=True)
class RunStarted:
    """Everything is opened, and the work begins."""

    source: str
    out: str
    model: str | None


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The work has come to its end; `summary` is what `--json` prints."""

    summary: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Left:
    """This worker has given back what it still held."""


@dataclass(frozen=True, slots=True)
class Company:
    """How many workers are alive at the OUT, this one included, where that is not what it was (`before`)."""

    alive: int
    before: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """A document is this worker's to finish; `dead` is whom it was taken over from, if it was."""

    document: str
    attempt: int
    dead: str | None


@dataclass(frozen=True, slots=True)
class StageEnded:
    """A document has been through a stage, or failed in it with `error`."""

    document: str
    stage: Stage
    begun: float
    seconds: float
    error: str | None


@dataclass(frozen=True, slots=True)
class CallEnded:
    """One call of the model has come to its end. `cost_usd` is None where it is not known."""

    document: str
    attempt: int
    begun: float
    seconds: float
    outcome: CallOutcome
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """A claim has come to its end. `status` is that of the record, or `released` (given back, or left to a batch), or
    `lost` (another worker took the document over); `usage` is what all calls of the claim took."""

    document: str
    attempt: int
    status: str
    begun: float
    seconds: float
    usage: Usage
    reader: str | None = None
    reason: str | None = None
    adopted: bool = False


@dataclass(frozen=True, slots=True)
class Committed:
    """A write of the manifest has landed, so long after it was first tried."""

    seconds: float


@dataclass(frozen=True, slots=True)
class LoopLate:
    """How late the event loop came to a timer."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Slowed:
    """The rate of calls was lowered to what the server was found to bear; `refused` calls so far."""

    a_minute: float
    refused: int


@dataclass(frozen=True, slots=True)
class CostReached:
    """--max-cost has stopped the run."""


Event = (
    Joined
    | RunStarted
    | RunEnded
    | Left
    | Company
    | Claimed
    | StageEnded
    | CallEnded
    | Ended
    | Committed
    | LoopLate
    | Slowed
    | CostReached
)
