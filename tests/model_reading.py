"""A document that a model reads, for tests: virtual time, and models behind HTTP or scripted."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from counterfoil.clock import Clock
from counterfoil.document import Usage
from counterfoil.errors import CounterfoilError
from counterfoil.extract_model import extract_with_model
from counterfoil.invoice import Invoice
from counterfoil.model import Answer, Model, ScriptedModel
from counterfoil.pace import Pace
from model_server import Reply, by, completion, model_behind, refusal, sample_invoice

GOOD = json.dumps(sample_invoice("A-1"))
MODEL = "openai:gpt-4.1-mini"


@dataclass
class Virtual:
    """Time that passes only by being slept through, and what was slept."""

    now: float = 0.0
    chance: float = 1.0
    slept: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    def pace(self, concurrency: int = 4) -> Pace:
        return Pace(concurrency, clock=Clock(monotonic=lambda: self.now, sleep=self.sleep, random=lambda: 0.0))


async def extract(model: Model, time: Virtual | None = None, **options: Any) -> tuple[Invoice, Usage]:
    time = time or Virtual()
    pace = options.pop("pace", None) or time.pace()
    chance = {"sleep": time.sleep, "random": lambda: time.chance}
    return await extract_with_model("Invoice A-1", "a.pdf", model, pace, **chance, **options)


@dataclass
class Outcome:
    invoice: Invoice | None
    error: CounterfoilError | None
    usage: Usage
    bodies: list[dict[str, Any]]
    time: Virtual


def over_http(*replies: Reply, **options: Any) -> Outcome:
    """What becomes of a document when the server gives these replies, the last of them for ever."""
    bodies: list[dict[str, Any]] = []

    def reply(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        bodies.append(body)
        return replies[min(len(bodies), len(replies)) - 1](request, body)

    async def story() -> Outcome:
        time = Virtual()
        async with model_behind(by(reply), MODEL) as model:
            try:
                invoice, usage = await extract(model, time, **options)
            except CounterfoilError as error:
                return Outcome(None, error, usage_in(error), bodies, time)
            return Outcome(invoice, None, usage, bodies, time)

    return asyncio.run(story())


def says(text: str, **changes: Any) -> Reply:
    return lambda _, body: completion(text, body, **changes)


def refuses(status: int, message: str = "no", code: str | None = None, **headers: str) -> Reply:
    return lambda _, __: refusal(status, message, code, {k.replace("_", "-"): v for k, v in headers.items()})


def resets(request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
    assert request.transport
    request.transport.abort()
    return web.Response()


def scripted(*outcomes: str | Answer | CounterfoilError) -> ScriptedModel:
    script = iter(outcomes)
    return ScriptedModel(lambda _: next(script), name=MODEL)


def failure(model: Model, time: Virtual | None = None, **options: Any) -> CounterfoilError:
    with pytest.raises(CounterfoilError) as caught:
        asyncio.run(extract(model, time, **options))
    return caught.value


def usage_in(error: BaseException) -> Usage:
    return error.usage  # type: ignore[attr-defined]
