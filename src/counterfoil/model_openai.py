"""Models behind an OpenAI-compatible server (chat completions): OpenAI, vLLM, llama.cpp, Ollama, OpenRouter and so on.

It promises one HTTP request a call, plus one for each feature (JSON Schema, tools, JSON mode, temperature) that a
server turns out not to have, once a session. The key goes to the one configured address only: redirects are not
followed, and no message contains it. It never retries a call, and never waits for a connection longer than
`CONNECT_SECONDS`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
from yarl import URL

from .errors import InputError, SetupError, Unanswered
from .model import Answer, Model, Request, Unreachable
from .model_address import Address
from .model_allowance import allowances
from .model_chat import error_in, has_keys, parsed, payload, read_answer, uses_tools
from .model_refusals import FEATURES, Feature, Refusal, brief, form_of

CONNECT_SECONDS = 30.0
TOTAL_SECONDS = 900.0
"""The last resort against a call that hangs; callers set a shorter deadline of their own."""
MAX_REPLY_BYTES = 4_000_000
MOST_STRAYS = 2
"""Answers without the schema's keys, before any with them, that show that a server ignores the schema."""


@asynccontextmanager
async def open_openai(name: str, address: Address, *, concurrency: int) -> AsyncGenerator[Model]:
    """The model `name` of the server at `address`."""
    base = URL(address.url)
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=concurrency, limit_per_host=concurrency, ttl_dns_cache=300),
        timeout=aiohttp.ClientTimeout(total=TOTAL_SECONDS, sock_connect=CONNECT_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Content-Type": "application/json", **address.headers},
        # Proxies and ~/.netrc are for hosts elsewhere; a plain http address is nearly always a server next door.
        trust_env=base.scheme == "https",
    )
    async with session:
        yield OpenAIModel(name, address, session)


class OpenAIModel:
    """One model of one server; `open_openai` makes it. Remembers which features the server has refused."""

    def __init__(self, name: str, address: Address, session: aiohttp.ClientSession) -> None:
        self.name = f"openai:{name}"
        self._model = name
        self._url = (URL(address.url) / "chat" / "completions").with_query(address.query or None)
        self._address = address
        self._session = session
        self._lacks: set[Feature] = set()
        self._strays = 0
        self._schema_held = False

    async def complete(self, request: Request) -> Answer:
        while True:
            offered = FEATURES - self._lacks
            status, headers, body = await self._post(orjson.dumps(payload(self._model, request, offered)))
            reply = parsed(body)
            if status == 200 and "choices" in reply and not error_in(reply):
                answer = read_answer(reply, self._model, headers)
                if answer.finish == "stop" and (ignored := self._ignored(form_of(offered), request, answer, reply)):
                    self._lacks.add(ignored)
                return answer
            refusal = Refusal.of(status, headers, body, error_in(reply) or reply, self._address.key)
            if request.has_images and (blind := refusal.of_images(self._where())):
                raise blind
            missing = refusal.refused_feature(offered)
            if missing is None:
                raise refusal.error(self._where(), self._address.variables, allowances(headers))
            self._lacks.add(missing)

    def _ignored(
        self, form: Feature | None, request: Request, answer: Answer, reply: Mapping[str, Any]
    ) -> Feature | None:
        """The form that the server took without a word and ignored, if that shows: the model hasn't seen the schema.

        The answer was paid for and is read all the same; the next is asked for in another way.
        """
        if form == "tools" and not uses_tools(reply):
            return form
        if form != "json_schema" or self._schema_held:
            return None
        self._schema_held = has_keys(answer.text, request.schema)
        self._strays += not self._schema_held
        return form if self._strays >= MOST_STRAYS else None

    async def _post(self, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        """One request and its whole reply. Whatever aiohttp raises becomes an error of ours here. It is given the bytes
        rather than what they were made from, which would wait for the reply too: images are large."""
        try:
            async with self._session.post(self._url, data=body, allow_redirects=False) as response:
                return response.status, response.headers, await self._bounded(response.content)
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as exc:
            raise SetupError(f"no safe connection to {self._where()}: {self._brief(exc)}") from exc
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as exc:
            raise Unreachable(f"no connection to {self._where()}: {self._brief(exc)}") from exc
        except (aiohttp.ClientError, OSError) as exc:  # TimeoutError is an OSError
            raise Unanswered(f"the call to {self._where()} broke off: {self._brief(exc)}") from exc

    async def _bounded(self, content: aiohttp.StreamReader) -> bytes:
        body = bytearray()
        async for chunk in content.iter_any():
            body += chunk
            if len(body) > MAX_REPLY_BYTES:
                raise InputError(f"the reply of {self._where()} is larger than {MAX_REPLY_BYTES:,} bytes")
        return bytes(body)

    def _where(self) -> str:
        return f"{self._url.host} (model {self._model})"

    def _brief(self, exc: BaseException) -> str:
        return brief(str(exc) or type(exc).__name__, self._address.key)
