"""A model on this machine: a llama.cpp server of our own, for the length of one run, and nothing but this run's.

It promises that the server listens on the loopback interface only, at a free port, and answers only to a key that was
made for it; that it answers before a document is read; and that it is gone when the run is, however that ends.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import orjson

from .errors import SetupError, Unavailable
from .model import Answer, Model, Request
from .model_address import Address
from .model_openai import open_openai
from .model_weights import LocalSettings, weights_of

START_SECONDS = 300.0
"""Weights of many gigabytes are read from a slow disk."""
STOP_SECONDS = 2.0


@asynccontextmanager
async def open_local(name: str, settings: LocalSettings, *, concurrency: int) -> AsyncGenerator[Model]:
    """Starts the server, and stops it whatever happens. Raises `SetupError` where it does not start."""
    key = secrets.token_urlsafe(24)
    with TemporaryFile() as log:
        server = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "counterfoil.model_local_server"),
            stdin=PIPE,
            stdout=PIPE,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for the run, which lets its calls end
        )
        try:
            url = await _started(server, weights_of(name), settings, key, log)
            address = Address(f"{url}/v1", key, "the file", headers={"Authorization": f"Bearer {key}"})
            async with open_openai(name, address, concurrency=concurrency) as model:
                yield LocalModel(f"local:{name}", model, server)
        finally:
            await _stopped(server)


async def _started(server: Process, weights: Path, settings: LocalSettings, key: str, log: IO[bytes]) -> str:
    """The server's address, once it can answer."""
    assert server.stdin and server.stdout
    told = {"weights": str(weights), "key": key, **asdict(settings)}
    server.stdin.write(orjson.dumps(told) + b"\n")
    try:
        async with asyncio.timeout(START_SECONDS):
            url = (await server.stdout.readline()).decode().strip()
    except TimeoutError as exc:
        raise SetupError(f"the local model did not start within {START_SECONDS:g} s") from exc
    if not url:
        raise SetupError(f"the local model {weights.name} did not start: {_last_line(log)}")
    return url


def _last_line(log: IO[bytes]) -> str:
    log.seek(0)
    lines = log.read().decode("utf-8", "replace").split("\n")
    return next((line.strip()[:200] for line in reversed(lines) if line.strip()), "it gave no reason")


async def _stopped(server: Process) -> None:
    """Its input ends, which tells it to leave; one that does not is killed."""
    assert server.stdin
    server.stdin.close()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await server.wait()
    except TimeoutError:
        server.kill()
        await server.wait()


class LocalModel:
    """The model behind our own server; one that is gone ends the run rather than document after document."""

    def __init__(self, name: str, model: Model, server: Process) -> None:
        self.name = name
        self._model, self._server = model, server

    async def complete(self, request: Request) -> Answer:
        try:
            return await self._model.complete(request)
        except Unavailable as exc:
            if self._server.returncode is not None:
                raise SetupError(f"the server of {self.name} ended by itself (exit {self._server.returncode})") from exc
            raise
