"""A proxy before an S3 server that does to requests and replies what networks and services do to them.

It speaks HTTP/1.1 with Content-Length, one request at a time a connection, and forwards each over a connection of its
own. A share `rate` of the requests meets one of `FATES`; the rest passes unharmed. It never changes a body.
"""

from __future__ import annotations

import asyncio
import random
import re
import socket
import struct
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from urllib.parse import unquote

FATES = {
    "dropped": "closed before it was forwarded",
    "unanswered": "forwarded, then closed without the reply",
    "late": "closed at once, and forwarded up to 1.5 s afterwards, when a retry may be there already",
    "delayed": "forwarded, the reply up to 1.5 s later",
    "hung": "forwarded, the reply kept back for longer than a lease, then closed",
    "reset": "forwarded, reset in the middle of the reply",
    "refused": "not forwarded, answered with 503, 429, 500 or 409",
    "masked": "forwarded, and answered with 503, 429, 500 or 409 all the same",
}
_RARELY = {"hung": 1}  # against 5 for the others: each takes a connection, and its request, for seconds
_STATUSES = {503: "SlowDown", 429: "TooManyRequests", 500: "InternalError", 409: "OperationAborted"}
_LONGEST_DELAY = 1.5
_HANG = 5.0


class Proxy:
    """Counts what it did in `fates`, and remembers when each new object below `results/` was first there (`stored`)."""

    def __init__(
        self, upstream: str, rate: float, chance: random.Random, possible: Sequence[str] = tuple(FATES)
    ) -> None:
        host, _, port = upstream.removeprefix("http://").partition(":")
        self._upstream = (host, int(port))
        self.rate = rate
        self.fates: Counter[str] = Counter()
        self.requests = 0
        self.stored: dict[str, float] = {}
        self._chance, self._possible = chance, possible
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def serving(self, host: str) -> AsyncGenerator[str]:
        """Serves on a free port of an address of this machine while the block lasts; yields its URL."""
        server = await asyncio.start_server(self._connected, host, 0, backlog=1024)
        try:
            yield f"http://{host}:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._keep(asyncio.create_task(self._converse(reader, writer)))

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                while await self._meet(self._fate(), await _message(reader), writer):
                    pass
        finally:
            writer.close()

    def _fate(self) -> str:
        if self._chance.random() >= self.rate:
            return "passed"
        return self._chance.choices(self._possible, [_RARELY.get(fate, 5) for fate in self._possible])[0]

    async def _meet(self, fate: str, request: bytes, writer: asyncio.StreamWriter) -> bool:
        """Lets one request meet its fate; says whether the connection lives on."""
        self.requests += 1
        if fate != "passed":
            self.fates[fate] += 1
        if fate == "late":
            self._keep(asyncio.create_task(self._forward_late(request)))
        if fate in ("dropped", "late"):
            return False
        reply = _refusal(self._chance) if fate == "refused" else await self._forward(request)
        if fate == "unanswered":
            return False
        if fate == "masked":
            reply = _refusal(self._chance)
        if fate in ("delayed", "hung"):
            await asyncio.sleep(_HANG if fate == "hung" else self._chance.uniform(0.0, _LONGEST_DELAY))
        if fate == "hung":
            return False
        if fate == "reset":
            await _reset_in_the_middle(reply, writer)
            return False
        writer.write(reply)
        await writer.drain()
        return True

    async def _forward_late(self, request: bytes) -> None:
        await asyncio.sleep(self._chance.uniform(0.0, _LONGEST_DELAY))
        with suppress(OSError, asyncio.IncompleteReadError):
            await self._forward(request)

    async def _forward(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(*self._upstream)
        try:
            writer.write(request)
            reply = await _message(reader, headless=request.startswith(b"HEAD "))
        finally:
            writer.close()
        self._note(request, reply)
        return reply

    def _note(self, request: bytes, reply: bytes) -> None:
        method, target, _ = request.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        key = unquote(target.partition("?")[0])
        if method == "PUT" and "/results/" in key and reply.startswith(b"HTTP/1.1 200"):
            self.stored.setdefault("results/" + key.partition("/results/")[2], time.time())


async def _message(reader: asyncio.StreamReader, *, headless: bool = False) -> bytes:
    """One request or reply, whole. `headless`: the reply to a HEAD, which announces a body that does not come."""
    head = await reader.readuntil(b"\r\n\r\n")
    size = re.search(rb"\r\ncontent-length: *(\d+)", head, re.I)
    return head if headless or size is None else head + await reader.readexactly(int(size[1]))


def _refusal(chance: random.Random) -> bytes:
    status = chance.choice(list(_STATUSES))
    body = f"<Error><Code>{_STATUSES[status]}</Code><Message>by the proxy</Message></Error>".encode()
    head = (
        f"HTTP/1.1 {status} {_STATUSES[status]}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _reset_in_the_middle(reply: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(reply[: len(reply) // 2])
    with suppress(OSError):
        await writer.drain()
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close sends RST
