"""HTTP to a batch API: one request a call, typed errors, results line by line.

It promises that the key goes to the one configured address only, redirects not followed, and that no message contains
it. It never sends a request twice; `Unreachable` and `RateLimited` mean that the server certainly did nothing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

import aiohttp
import orjson
from yarl import URL

from .batch import BatchGone
from .errors import CounterfoilError, RateLimited, SetupError, Unavailable
from .model import Unreachable
from .model_address import Address
from .model_refusals import Refusal, brief

CONNECT_SECONDS = 30.0
SILENT_SECONDS = 120.0
"""How long a server may be silent: it takes in hundreds of megabytes before it answers."""
MAX_LINE_BYTES = 8_000_000


class Wire:
    """An address, what goes with every request to it, and how its errors are told."""

    def __init__(self, address: Address, session: aiohttp.ClientSession) -> None:
        self._base, self._address, self._session = URL(address.url), address, session

    @property
    def host(self) -> str:
        return self._base.host or ""

    def url(self, *path: str, **query: str) -> URL:
        """An address below the base."""
        return self._base.joinpath(*path).with_query({**self._address.query, **query})

    def moved(self, path: str) -> URL:
        """A path that the server named, at the one address that the key is for."""
        return self._base.origin().with_path(path).with_query(self._address.query)

    async def json(
        self, method: str, url: URL, *, data: bytes | aiohttp.FormData | None = None, kind: str | None = None
    ) -> Mapping[str, Any]:
        """The JSON object that the server replies. `kind` is the content type of `data` where that does not say it."""
        headers = {"Content-Type": kind} if kind else {}
        async with self._asked(method, url, data, headers) as response:
            body = await response.read()
            reply = mapping(parsed(body))
            if response.status != 200 or not reply:
                raise self._error(response.status, response.headers, body, reply)
            return reply

    async def lines(self, url: URL) -> AsyncIterator[Mapping[str, Any]]:
        """The JSON objects of a file of such lines, as they arrive."""
        async with self._asked("GET", url, None, {}) as response:
            if response.status != 200:
                body = await response.read()
                raise self._error(response.status, response.headers, body, mapping(parsed(body)))
            rest = b""
            async for chunk in response.content.iter_any():
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    if line.strip():
                        yield self._object(line)
                if len(rest) > MAX_LINE_BYTES:
                    raise SetupError(f"a line of {url.path} is larger than {MAX_LINE_BYTES:,} bytes")
            if rest.strip():
                yield self._object(rest)

    @asynccontextmanager
    async def _asked(
        self, method: str, url: URL, data: bytes | aiohttp.FormData | None, headers: Mapping[str, str]
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        """One request. Whatever aiohttp raises, also while the reply is read, becomes an error of ours here."""
        try:
            async with self._session.request(
                method, url, data=data, headers=headers, allow_redirects=False
            ) as response:
                yield response
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as exc:
            raise SetupError(f"no safe connection to {url.host}: {self._brief(exc)}") from exc
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as exc:
            raise Unreachable(f"no connection to {url.host}: {self._brief(exc)}") from exc
        except (aiohttp.ClientError, OSError) as exc:  # TimeoutError is an OSError
            raise Unavailable(f"the request to {url.host}{url.path} broke off: {self._brief(exc)}") from exc

    def _object(self, line: bytes) -> Mapping[str, Any]:
        found = parsed(line)
        if not isinstance(found, dict):
            raise Unavailable(f"a line of results of {self.host} is not JSON")
        return cast("Mapping[str, Any]", found)

    def _error(
        self, status: int, headers: Mapping[str, str], body: bytes, reply: Mapping[str, Any]
    ) -> CounterfoilError:
        refusal = Refusal.of(status, headers, body, reply, self._address.key)
        said = f"(status {refusal.status}): {refusal.quote}"
        if status == 404:
            return BatchGone(f"{self.host} has no such batch or file {said}")
        if status == 429:
            return RateLimited(f"{self.host} asks us to slow down {said}", refusal.retry_after)
        if status in (408, 409, 425) or not 400 <= status < 500:
            return Unavailable(f"{self.host} could not answer {said}")
        return SetupError(f"{self.host} refused {said}; check the model's name, {self._address.variables}")

    def _brief(self, exc: BaseException) -> str:
        return brief(str(exc) or type(exc).__name__, self._address.key)


@asynccontextmanager
async def open_wire(address: Address, headers: Mapping[str, str]) -> AsyncGenerator[Wire]:
    """A wire to the server at an address."""
    session = aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENT_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=headers,
        trust_env=address.url.startswith("https:"),
    )
    async with session:
        yield Wire(address, session)


def parsed(body: bytes) -> Any:
    """A body as JSON, None where it is none."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def mapping(value: Any) -> Mapping[str, Any]:
    """A value that should be a JSON object; empty where it is none."""
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def objects(value: Any) -> list[Mapping[str, Any]]:
    """A value that should be a list of JSON objects."""
    return [mapping(item) for item in cast("list[Any]", value)] if isinstance(value, list) else []


def count(value: Any) -> int:
    """A value that should be a count."""
    return value if isinstance(value, int) and value > 0 else 0
