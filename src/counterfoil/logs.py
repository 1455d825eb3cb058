"""A run told in log lines, by the standard `logging`: one line an event, for people or as JSON.

It promises one line for each event, whatever a document's id or an error's text holds, and nothing else on stderr. The
facts of an event are in the record's attribute `facts`, for handlers of one's own.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

from .events import (
    CallEnded,
    Claimed,
    Company,
    CostReached,
    Ended,
    Event,
    Joined,
    Left,
    RunEnded,
    RunStarted,
    Slowed,
    StageEnded,
)

LogFormat = Literal["text", "json"]
LEVELS = ("debug", "info", "warning", "error")
ROOT = "counterfoil"
"""The logger that all of ours are below."""

_log = logging.getLogger(f"{ROOT}.run")
_PLAIN = frozenset("-_.:/+@%,")


class Lines(logging.Formatter):
    """One line a record: `json`, or text with the facts as NAME=VALUE. `worker` is named in each, once it is known."""

    def __init__(self, form: LogFormat) -> None:
        super().__init__()
        self._form = form
        self.worker: str | None = None

    def format(self, record: logging.LogRecord) -> str:
        facts: Mapping[str, Any] | None = getattr(record, "facts", None)
        event = record.getMessage() if facts is not None else "note"
        said = facts if facts is not None else {"message": record.getMessage()}
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        level, by = record.levelname.lower(), {"worker": self.worker} if self.worker else {}
        if self._form == "json":
            return json.dumps({"time": when, "level": level, "event": event, **by, **said}, default=_plain)
        shown = (f"{name}={_shown(value)}" for name, value in {**said, **by}.items() if value is not None)
        return " ".join((when, level.upper(), event, *shown))


def _plain(value: object) -> object:
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def _shown(value: object) -> str:
    """A value without spaces as it is, any other in quotes, with escapes for what is not ASCII."""
    text = str(_plain(value)) if isinstance(value, (Decimal, str)) else json.dumps(value, default=_plain)
    plain = bool(text) and all(c in _PLAIN or (c.isascii() and c.isalnum()) for c in text)
    return text if plain or not isinstance(value, str) else json.dumps(text)


class Stderr(logging.StreamHandler[Any]):
    """Lines on stderr."""

    def __init__(self, form: LogFormat) -> None:
        super().__init__(sys.stderr)
        self.lines = Lines(form)
        self.setFormatter(self.lines)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        """A stderr that takes no more is no reason to end a run, or to print a traceback there."""


def log_to_stderr(form: LogFormat, level: str) -> None:
    """From now on whatever is logged here, from this level on, goes to stderr in lines."""
    root = logging.getLogger(ROOT)
    root.addHandler(Stderr(form))
    root.setLevel(level.upper())


def failed(reason: str) -> None:
    """Logs that a run came to no end, and why."""
    _log.error("run failed", extra={"facts": {"reason": reason}})


class Logs:
    """A listener that makes log records of events."""

    def __call__(self, event: Event) -> None:
        match event:
            case Joined():
                for handler in logging.getLogger(ROOT).handlers:
                    if isinstance(handler, Stderr):
                        handler.lines.worker = event.worker
                _say("worker joined")
            case Left():
                _say("worker left")
            case Company():
                _say("workers changed", alive=event.alive, before=event.before)
            case RunStarted():
                _say("run started", source=event.source, out=event.out, model=event.model)
            case RunEnded():
                _say("run ended", **event.summary)
            case Slowed():
                _warn("throttled", calls_a_minute=event.a_minute, refused=event.refused)
            case CostReached():
                _warn("cost limit reached")
            case _:
                _of_document(event)


def _of_document(event: Event) -> None:
    match event:
        case Claimed() if event.dead is not None:
            _warn("document taken over", document=event.document, attempt=event.attempt, dead=event.dead)
        case Claimed():
            _detail("document claimed", document=event.document, attempt=event.attempt)
        case StageEnded():
            _detail(f"stage {event.stage}", document=event.document, seconds=round(event.seconds, 4), error=event.error)
        case CallEnded():
            _call(event)
        case Ended():
            _ended(event)
        case _:
            pass


def _call(event: CallEnded) -> None:
    facts: dict[str, Any] = {"document": event.document, "attempt": event.attempt, "seconds": round(event.seconds, 3)}
    if event.outcome == "answered":
        tokens = {"input_tokens": event.input_tokens, "output_tokens": event.output_tokens}
        _detail("call answered", **facts, **tokens, cost_usd=event.cost_usd)
    else:
        _say(f"call {event.outcome}", **facts, error=event.error)


def _ended(event: Ended) -> None:
    facts: dict[str, Any] = {"document": event.document, "attempt": event.attempt}
    if event.status == "lost":
        _warn("claim lost", **facts)
        return
    if event.status == "released":
        _say("document released", **facts)
        return
    usage = event.usage
    facts |= {"status": event.status, "reader": event.reader, "seconds": round(event.seconds, 3)}
    facts |= {"calls": usage.calls, "input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
    facts |= {"cost_usd": usage.cost_usd, "reason": event.reason, "adopted": event.adopted}
    (_warn if event.status == "failed" else _say)("document finished", **facts)


def _detail(event: str, /, **facts: Any) -> None:
    _log.debug("%s", event, extra={"facts": facts})


def _say(event: str, /, **facts: Any) -> None:
    _log.info("%s", event, extra={"facts": facts})


def _warn(event: str, /, **facts: Any) -> None:
    _log.warning("%s", event, extra={"facts": facts})
