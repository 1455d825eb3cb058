"""Servers that speak the wire formats of Anthropic, Google and Amazon Bedrock, and models behind them, for tests.

The formats are those of the providers' references: Anthropic's Messages API and its errors, Gemini's generateContent
with google.rpc errors, Bedrock's Converse with its error types in a header.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from counterfoil.model import Model, open_model

KEY = "our-own-secret-0123456789"


@dataclass(frozen=True)
class Reply:
    """What a server says: a body of JSON, a status, headers."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Provider:
    """One provider: how its model is opened, and what its replies look like."""

    spec: str
    path: str
    environ: Callable[[str], dict[str, str]]
    answer: Callable[[dict[str, Any]], Any]
    """The body of an answer that says this object: 35 tokens in (20 of them cached, 5 written where told), 7 out."""
    error: Callable[..., Reply]
    """From status, the provider's word for the error, message, and `retry_after` in seconds."""


@dataclass
class Server:
    """Answers by `script`, which gets a request's body, and keeps all requests."""

    script: Callable[[dict[str, Any]], Reply]
    requests: list[web.Request] = field(default_factory=list[web.Request])
    bodies: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    async def reply(self, request: web.Request) -> web.Response:
        self.requests.append(request)
        self.bodies.append(await request.json())
        said = self.script(self.bodies[-1])
        return web.json_response(said.body, status=said.status, headers=said.headers)


@asynccontextmanager
async def served(server: Server) -> AsyncGenerator[str]:
    """The address at which `server` answers, by real HTTP."""
    app = web.Application(client_max_size=50_000_000)
    app.router.add_post("/{path:.*}", server.reply)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def model_of(provider: Provider, server: Server, **environ: str) -> AsyncGenerator[Model]:
    """The provider's model behind that server; `environ` adds to the usual variables."""
    async with (
        served(server) as url,
        open_model(provider.spec, concurrency=4, environ=provider.environ(url) | environ) as model,
    ):
        yield model


def _anthropic_answer(said: dict[str, Any], **changes: Any) -> dict[str, Any]:
    usage = {"input_tokens": 10, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 5, "output_tokens": 7}
    content = [{"type": "tool_use", "id": "toolu_1", "name": "invoice", "input": said}]
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5-20251001"}
    return message | {"content": content, "stop_reason": "tool_use", "stop_sequence": None, "usage": usage} | changes


def _anthropic_error(status: int, kind: str, message: str, retry_after: float | None = None) -> Reply:
    headers = {"retry-after": f"{retry_after:g}"} if retry_after else {}
    return Reply({"type": "error", "error": {"type": kind, "message": message}, "request_id": "r"}, status, headers)


ANTHROPIC = Provider(
    "anthropic:claude-haiku-4-5",
    "/v1/messages",
    lambda url: {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": url},
    _anthropic_answer,
    _anthropic_error,
)


def _google_answer(said: dict[str, Any], **changes: Any) -> dict[str, Any]:
    usage = {"promptTokenCount": 35, "cachedContentTokenCount": 20, "candidatesTokenCount": 4, "thoughtsTokenCount": 3}
    candidate = {"content": {"role": "model", "parts": [{"text": json.dumps(said)}]}, "finishReason": "STOP"}
    whole = {"candidates": [candidate], "usageMetadata": usage | {"totalTokenCount": 42}}
    return whole | {"modelVersion": "gemini-2.5-flash", "responseId": "r"} | changes


def _google_error(status: int, kind: str, message: str, retry_after: float | None = None) -> Reply:
    details: list[dict[str, Any]] = []
    if retry_after:
        details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{retry_after:g}s"}]
    return Reply({"error": {"code": status, "message": message, "status": kind, "details": details}}, status)


GOOGLE = Provider(
    "google:gemini-2.5-flash",
    "/v1beta/models/gemini-2.5-flash:generateContent",
    lambda url: {"GOOGLE_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": url},
    _google_answer,
    _google_error,
)


def _bedrock_answer(said: dict[str, Any], **changes: Any) -> dict[str, Any]:
    usage = {"inputTokens": 10, "outputTokens": 7, "cacheReadInputTokens": 20, "cacheWriteInputTokens": 5}
    content = [{"toolUse": {"toolUseId": "t", "name": "invoice", "input": said}}]
    message = {"message": {"role": "assistant", "content": content}}
    whole = {"output": message, "stopReason": "tool_use", "usage": usage | {"totalTokens": 42}}
    return whole | {"metrics": {"latencyMs": 1}} | changes


def _bedrock_error(status: int, kind: str, message: str, retry_after: float | None = None) -> Reply:
    headers = {"Retry-After": f"{retry_after:g}"} if retry_after else {}
    return Reply({"message": message}, status, headers | {"x-amzn-ErrorType": kind})


BEDROCK = Provider(
    "bedrock:us.anthropic.claude-haiku-4-5-20251001-v1:0",
    "/model/us.anthropic.claude-haiku-4-5-20251001-v1%3A0/converse",
    lambda url: {
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": KEY,
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": url,
    },
    _bedrock_answer,
    _bedrock_error,
)

PROVIDERS = {"anthropic": ANTHROPIC, "google": GOOGLE, "bedrock": BEDROCK}
