"""Models behind an OpenAI-compatible server (chat completions): OpenAI, vLLM, llama.cpp, Ollama, OpenRouter and so on.

It promises one HTTP request a call, plus one for each feature (JSON Schema, JSON mode, temperature) that a server turns
out not to have, once a session. The key goes to the one configured address only: redirects are not followed, and no
message contains it. It never retries a call, and never waits for a connection longer than `CONNECT_SECONDS`.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncGenerator, Mapping, Set
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import aiohttp
import orjson
from yarl import URL

from .errors import InputError, SetupError, Unavailable
from .model import Answer, Model, Request, Turn, Unreachable
from .model_address import Address
from .model_allowance import allowances
from .model_refusals import FEATURES, Feature, Refusal, brief
from .prices import LIST_PRICES

CONNECT_SECONDS = 30.0
TOTAL_SECONDS = 900.0
"""The last resort against a call that hangs; callers set a shorter deadline of their own."""
MAX_REPLY_BYTES = 4_000_000


@asynccontextmanager
async def open_openai(name: str, address: Address, *, concurrency: int) -> AsyncGenerator[Model]:
    """The model `name` of the server at `address`."""
    base, key = URL(address.url), address.key
    # Read beside the first calls, which take longer, rather than on the loop when their answers arrive.
    prices_read = asyncio.create_task(asyncio.to_thread(LIST_PRICES.load))
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=concurrency, limit_per_host=concurrency, ttl_dns_cache=300),
        timeout=aiohttp.ClientTimeout(total=TOTAL_SECONDS, sock_connect=CONNECT_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {}),
        # Proxies and ~/.netrc are for hosts elsewhere; a plain http address is nearly always a server next door.
        trust_env=base.scheme == "https",
    )
    try:
        async with session:
            yield OpenAIModel(name, base, key, session)
    finally:
        await prices_read


class OpenAIModel:
    """One model of one server; `open_openai` makes it. Remembers which features the server has refused."""

    def __init__(self, name: str, base: URL, key: str, session: aiohttp.ClientSession) -> None:
        self.name = f"openai:{name}"
        self._model = name
        self._url = base / "chat" / "completions"
        self._key = key
        self._session = session
        self._lacks: set[Feature] = set()

    async def complete(self, request: Request) -> Answer:
        while True:
            offered = FEATURES - self._lacks
            status, headers, body = await self._post(_payload(self._model, request, offered))
            reply = _mapping(_parsed(body))
            if status == 200 and "choices" in reply:
                return _answer(reply, self._model, headers)
            refusal = Refusal.of(status, headers, body, reply, self._key)
            if request.has_images and (blind := refusal.of_images(self._where())):
                raise blind
            missing = refusal.refused_feature(offered)
            if missing is None:
                raise refusal.error(self._where(), allowances(headers))
            self._lacks.add(missing)

    async def _post(self, payload: dict[str, Any]) -> tuple[int, Mapping[str, str], bytes]:
        """One request and its whole reply. Whatever aiohttp raises becomes an error of ours here."""
        try:
            async with self._session.post(self._url, data=orjson.dumps(payload), allow_redirects=False) as response:
                return response.status, response.headers, await self._bounded(response.content)
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as exc:
            raise SetupError(f"no safe connection to {self._where()}: {self._brief(exc)}") from exc
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as exc:
            raise Unreachable(f"no connection to {self._where()}: {self._brief(exc)}") from exc
        except (aiohttp.ClientError, OSError) as exc:  # TimeoutError is an OSError
            raise Unavailable(f"the call to {self._where()} broke off: {self._brief(exc)}") from exc

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
        return brief(str(exc) or type(exc).__name__, self._key)


def _payload(model: str, request: Request, offered: Set[Feature]) -> dict[str, Any]:
    turns = request.turns if "json_schema" in offered else _with_schema_in_words(request)
    payload: dict[str, Any] = {"model": model, "messages": [_message(turn) for turn in turns]}
    if "temperature" in offered:
        payload["temperature"] = 0
    if "json_schema" in offered:
        schema = {"name": request.schema_name, "strict": True, "schema": request.schema}
        payload["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif "json_object" in offered:
        payload["response_format"] = {"type": "json_object"}
    return payload


def _message(turn: Turn) -> dict[str, Any]:
    """Text alone stays a plain string, which every server takes; images make it a list of parts."""
    if not turn.images:
        return {"role": turn.role, "content": turn.content}
    shown = [f"data:{image.media_type};base64,{b64encode(image.data).decode()}" for image in turn.images]
    images = [{"type": "image_url", "image_url": {"url": url}} for url in shown]
    return {"role": turn.role, "content": [{"type": "text", "text": turn.content}, *images]}


def _with_schema_in_words(request: Request) -> tuple[Turn, ...]:
    """The schema ends the first turn, which thereby stays the same for every document (prompt caching)."""
    first, *rest = request.turns
    schema = orjson.dumps(request.schema).decode()
    return (
        Turn(first.role, f"{first.content}\n\nAnswer with one JSON object that fits this JSON Schema:\n{schema}"),
        *rest,
    )


def _answer(reply: Mapping[str, Any], model: str, headers: Mapping[str, str]) -> Answer:
    choices = reply["choices"]
    choice = _mapping(cast("list[Any]", choices)[0] if isinstance(choices, list) and choices else None)
    message, usage = _mapping(choice.get("message")), _mapping(reply.get("usage"))
    refusal, finish = message.get("refusal"), choice.get("finish_reason")
    return Answer(
        text=_text(message.get("content")),
        input_tokens=_count(usage.get("prompt_tokens")),
        output_tokens=_count(usage.get("completion_tokens")),
        model=str(reply.get("model") or model),
        finish="refused" if refusal or finish == "content_filter" else "length" if finish == "length" else "stop",
        refusal=str(refusal) if refusal else None,
        cached_tokens=_count(_mapping(usage.get("prompt_tokens_details")).get("cached_tokens")),
        allowances=allowances(headers),
    )


def _text(content: Any) -> str:
    """A message's text; some servers send it in parts."""
    if isinstance(content, list):
        return "".join(_text(_mapping(part).get("text")) for part in cast("list[Any]", content))
    return content if isinstance(content, str) else ""


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _parsed(body: bytes) -> Any:
    with suppress(orjson.JSONDecodeError):
        return orjson.loads(body)
    return None


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}
