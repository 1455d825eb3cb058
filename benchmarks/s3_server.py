"""An S3 server in memory with a real compare-and-swap and a stated latency, for benchmarks, in a process of its own.

    python benchmarks/s3_server.py --port 9000 --get-ms 30 --put-ms 60

It promises what Amazon documents of one object: a read after an acknowledged write sees it, and conditional PUTs are
atomic (`If-None-Match: *` gives 412 where the key exists, `If-Match` 412 where the tag differs and 404 where the key is
missing). Half of the latency lies before an operation takes effect and half after, so requests in flight overlap as
they do over a network; a client that hangs up does not undo its request. It does path style only, makes buckets for
whoever names one, and checks no signature. GET /_stats gives {"requests": {method: n}, "conflicts", "in_flight",
"most_in_flight", "cpu_s"}; POST /_reset forgets all objects and counts. Port 0 takes a free one and prints it.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import re
import time
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import cast
from urllib.parse import parse_qsl, quote, unquote
from xml.sax.saxutils import escape, unescape

import uvloop

_READS = ("GET", "HEAD")
_NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


@dataclass(frozen=True, slots=True)
class Request:
    """`path` is decoded, without the query; header names are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Stored:
    body: bytes
    tag: str
    modified: float

    def headers(self) -> dict[str, str]:
        return {"ETag": self.tag, "Last-Modified": formatdate(self.modified, usegmt=True)}


class Server:
    """The buckets and the counts. Operations are plain functions of one thread, which is what makes them atomic."""

    def __init__(self, get_ms: float, put_ms: float) -> None:
        self._halves = {True: get_ms / 2000, False: put_ms / 2000}
        self.reset()

    def reset(self) -> None:
        self._buckets: defaultdict[str, dict[str, Stored]] = defaultdict(dict)
        self._requests: Counter[str] = Counter()
        self._conflicts = self._in_flight = self._most_in_flight = 0
        self._cpu = time.process_time()

    def half(self, request: Request) -> float:
        """Half of the latency of a request, in seconds; a bulk deletion is a write, a listing a read."""
        return 0.0 if request.path.startswith("/_") else self._halves[request.method in _READS]

    def arrived(self, request: Request) -> None:
        if not request.path.startswith("/_"):
            self._requests["LIST" if "list-type" in request.query else request.method] += 1
            self._in_flight += 1
            self._most_in_flight = max(self._most_in_flight, self._in_flight)

    def left(self, request: Request) -> None:
        self._in_flight -= not request.path.startswith("/_")

    def apply(self, request: Request) -> Reply:
        """What a request does, at one moment."""
        if request.path == "/_stats":
            return Reply(body=json.dumps(self._stats()).encode())
        if request.path == "/_reset":
            self.reset()
            return Reply()
        name, _, key = request.path[1:].partition("/")
        bucket = self._buckets[name]
        if not key:
            return self._bucket_reply(request, bucket)
        if request.method == "PUT":
            return self._put(bucket, key, request)
        if request.method == "DELETE":
            bucket.pop(key, None)
            return Reply(204)
        stored = bucket.get(key)
        if stored is None:
            return _error(404, "NoSuchKey")
        return Reply(200, stored.body, stored.headers())

    def _stats(self) -> dict[str, object]:
        return {
            "requests": dict(self._requests),
            "conflicts": self._conflicts,
            "in_flight": self._in_flight,
            "most_in_flight": self._most_in_flight,
            "cpu_s": round(time.process_time() - self._cpu, 3),
        }

    def _put(self, bucket: dict[str, Stored], key: str, request: Request) -> Reply:
        known, expected = bucket.get(key), request.headers.get("if-match")
        if expected is not None and known is None:
            return _error(404, "NoSuchKey")
        exists = known is not None and request.headers.get("if-none-match") == "*"
        differs = known is not None and expected is not None and known.tag.strip('"') != expected.strip('"')
        if exists or differs:
            self._conflicts += 1
            return _error(412, "PreconditionFailed")
        stored = Stored(request.body, f'"{hashlib.md5(request.body).hexdigest()}"', time.time())
        bucket[key] = stored
        return Reply(200, b"", {"ETag": stored.tag})

    def _bucket_reply(self, request: Request, bucket: dict[str, Stored]) -> Reply:
        if request.method == "POST" and "delete" in request.query:
            keys = [unescape(key) for key in re.findall(r"<Key>(.*?)</Key>", request.body.decode(), re.S)]
            for key in keys:
                bucket.pop(key, None)
            deleted = "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys)
            return _xml(f"<DeleteResult {_NAMESPACE}>{deleted}</DeleteResult>")
        return _listing(bucket, request.query) if request.method == "GET" else Reply()


def _listing(bucket: Mapping[str, Stored], query: Mapping[str, str]) -> Reply:
    """One page of ListObjectsV2, without delimiter; a token is the last key of the page before."""
    keys = sorted(key for key in bucket if key.startswith(query.get("prefix", "")))
    start = bisect_right(keys, query.get("continuation-token") or query.get("start-after", ""))
    page = keys[start : start + int(query.get("max-keys", 1000))]
    more = start + len(page) < len(keys)
    shown = quote if query.get("encoding-type") == "url" else escape
    items = "".join(_item(shown(key), bucket[key]) for key in page)
    token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
    return _xml(
        f"<ListBucketResult {_NAMESPACE}><KeyCount>{len(page)}</KeyCount>"
        f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{items}</ListBucketResult>"
    )


def _item(key: str, stored: Stored) -> str:
    modified = (
        time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(stored.modified)) + f".{int(stored.modified % 1 * 1000):03}Z"
    )
    return (
        f"<Contents><Key>{key}</Key><LastModified>{modified}</LastModified><ETag>{escape(stored.tag)}</ETag>"
        f"<Size>{len(stored.body)}</Size><StorageClass>STANDARD</StorageClass></Contents>"
    )


def _xml(text: str, status: int = 200) -> Reply:
    return Reply(status, f'<?xml version="1.0" encoding="UTF-8"?>{text}'.encode(), {"Content-Type": "application/xml"})


def _error(status: int, code: str) -> Reply:
    return _xml(f"<Error><Code>{code}</Code><Message>{HTTPStatus(status).phrase}</Message></Error>", status)


class Connection(asyncio.Protocol):
    """One kept-alive HTTP/1.1 connection: bodies by Content-Length, one request at a time."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own are transports by duck typing only

    def data_received(self, data: bytes) -> None:
        self._received += data
        request = self._take()
        if request is not None:
            self._server.arrived(request)
            self._after_half(request, self._take_effect, request)

    def _take(self) -> Request | None:
        """The request, once it is there whole."""
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return None
        first, *rest = self._received[:end].decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
        size = int(headers.get("content-length", 0))
        if len(self._received) < end + 4 + size:
            return None
        body = bytes(self._received[end + 4 : end + 4 + size])
        self._received.clear()
        method, target, _ = first.split(" ")
        path, _, query = target.partition("?")
        return Request(method, unquote(path), dict(parse_qsl(query, keep_blank_values=True)), headers, body)

    def _after_half(self, request: Request, step: Callable[..., None], *arguments: object) -> None:
        half = self._server.half(request)
        if half:
            asyncio.get_running_loop().call_later(half, step, *arguments)
        else:
            step(*arguments)

    def _take_effect(self, request: Request) -> None:
        if "transfer-encoding" in request.headers or "aws-chunked" in request.headers.get("content-encoding", ""):
            reply = _error(501, "NotImplemented")
        else:
            reply = self._server.apply(request)
        self._after_half(request, self._answer, request, reply)

    def _answer(self, request: Request, reply: Reply) -> None:
        self._server.left(request)
        headers = "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
        size = "" if reply.status == 204 else f"Content-Length: {len(reply.body)}\r\n"
        head = f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}\r\n{headers}{size}\r\n".encode("latin-1")
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(head if request.method == "HEAD" else head + reply.body)


async def _serve(port: int, server: Server) -> None:
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: Connection(server), "127.0.0.1", port, backlog=8192)
    print(f"listening on http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", flush=True)
    await listening.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--get-ms", type=float, default=30.0, help="latency of GET, HEAD and listings")
    parser.add_argument("--put-ms", type=float, default=60.0, help="latency of PUT and DELETE")
    args = parser.parse_args()
    with suppress(KeyboardInterrupt):
        uvloop.run(_serve(args.port, Server(args.get_ms, args.put_ms)))


if __name__ == "__main__":
    main()
