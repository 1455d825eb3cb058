"""The scripted model of a storm, in our own process: it remembers each call with its document, caller and times.

A caller is named by its API key, so that a call can be told from the call of another process for the same document.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from .model_server import ModelServer, completion, document_key, sample_invoice


@dataclass(slots=True)
class Call:
    """One call that arrived, and was paid for. Times are `time.time()`; `answered` None: its caller had gone."""

    document: str
    worker: str
    began: float
    answered: float | None = None


@dataclass(slots=True)
class StormModel:
    """Answers after a random time between half of `latency` (s) and one and a half of it."""

    latency: float
    chance: random.Random
    calls: list[Call] = field(default_factory=list[Call])
    in_flight: int = 0

    @asynccontextmanager
    async def serving(self, host: str) -> AsyncGenerator[str]:
        """Serves on a free port of an address of this machine while the block lasts; yields the base URL."""
        app = ModelServer(script=self._answer).app()
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, 0, backlog=1024).start()
            yield f"http://{host}:{runner.addresses[0][1]}/v1"
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        worker = request.headers.get("Authorization", "").removeprefix("Bearer ")
        call = Call(document_key(body), worker, time.time())
        self.calls.append(call)
        self.in_flight += 1
        try:
            await asyncio.sleep(self.latency * self.chance.uniform(0.5, 1.5))
        finally:
            self.in_flight -= 1
        call.answered = time.time()
        return completion(json.dumps(sample_invoice(call.document)), body)
