"""The OpenAI-compatible adapter, against a real HTTP server in the same loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable
from typing import Any

import pytest
from aiohttp import web

from counterfoil.errors import CounterfoilError, InputError, RateLimited, SetupError, Unanswered
from counterfoil.model import Answer, Request, Turn, Unreachable, open_model
from counterfoil.model_openai import MAX_REPLY_BYTES
from model_server import KEY, Reply, by, completion, model_behind

SCHEMA = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
REQUEST = Request((Turn("system", "Always the same."), Turn("user", "Read this.")), SCHEMA, "invoice")


def call(reply: Reply, **environ: str) -> Answer:
    """What one call to a server that answers by `reply` gives."""

    async def story() -> Answer:
        async with model_behind(by(reply), **environ) as model:
            return await model.complete(REQUEST)

    return asyncio.run(story())


def error_of(reply: Reply) -> CounterfoilError:
    with pytest.raises(CounterfoilError) as caught:
        call(reply)
    return caught.value


def test_a_call_asks_for_the_schema_in_strict_mode_and_bears_the_key():
    """One POST to /chat/completions with the turns as they are."""
    seen: dict[str, Any] = {}

    def reply(request: web.Request, body: dict[str, Any]) -> web.Response:
        seen.update(body, path=request.path, key=request.headers["Authorization"])
        return completion("{}", body)

    call(reply)
    assert seen["path"] == "/v1/chat/completions"
    assert seen["key"] == f"Bearer {KEY}"
    assert seen["model"] == "some-model"
    assert seen["messages"] == [
        {"role": "system", "content": "Always the same."},
        {"role": "user", "content": "Read this."},
    ]
    assert seen["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "invoice", "strict": True, "schema": SCHEMA},
    }


def test_a_local_server_without_a_key_is_sent_none():
    """No Authorization header at all."""

    def reply(request: web.Request, body: dict[str, Any]) -> web.Response:
        return completion(str("Authorization" in request.headers), body)

    assert call(reply, OPENAI_API_KEY="").text == "False"


def test_an_answer_bears_the_tokens_that_the_server_counted():
    """Cached ones apart, and the model that really answered."""
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 5}}
    choice = {"message": {"content": "{}"}, "finish_reason": "stop"}
    answer = call(lambda _, __: web.json_response({"model": "some-model-2", "choices": [choice], "usage": usage}))
    assert answer == Answer("{}", 7, 3, "some-model-2", cached_tokens=5)


def test_a_reply_without_usage_counts_no_tokens():
    """Documented: 0 stands for not told."""
    answer = call(lambda _, __: web.json_response({"choices": [{"message": {"content": "{}"}}]}))
    assert (answer.text, answer.input_tokens, answer.output_tokens, answer.model) == ("{}", 0, 0, "some-model")


@pytest.mark.parametrize(
    ("changes", "finish", "refusal_text"),
    [
        ({"finish_reason": "length"}, "length", None),
        ({"finish_reason": "content_filter"}, "refused", None),
        ({"message": {"content": None, "refusal": "I won't."}}, "refused", "I won't."),
        ({"message": {"content": [{"type": "text", "text": "{"}, {"type": "text", "text": "}"}]}}, "stop", None),
    ],
)
def test_an_answer_says_how_it_ended(changes: dict[str, Any], finish: str, refusal_text: str | None):
    """Cut off, declined, or whole (in parts, too)."""
    answer = call(lambda _, body: completion("{}", body, **changes))
    assert (answer.finish, answer.refusal) == (finish, refusal_text)


@pytest.mark.parametrize(
    "body", [b"", b"<html>Welcome to the hotel</html>", b"[]", b'{"choices": ', b'{"object": "list"}', b"\xff\xfe"]
)
def test_a_reply_that_is_no_completion_is_no_answer(body: bytes):
    """A gateway's page instead: the model may have worked, and the next attempt may get through."""
    assert type(error_of(lambda _, __: web.Response(body=body))) is Unanswered


def test_an_error_in_a_successful_reply_is_an_error():
    """OpenRouter says 200 and the true status in the body."""
    body = {"error": {"message": "Rate limited upstream", "code": 429}}
    assert isinstance(error_of(lambda _, __: web.json_response(body)), RateLimited)


def test_a_redirect_is_not_followed():
    """The key would go wherever it points."""
    reached: list[str] = []

    def reply(request: web.Request, body: dict[str, Any]) -> web.Response:
        reached.append(request.path)
        return web.Response(status=308, headers={"Location": "/v1/chat/completions?again"})

    assert isinstance(error_of(reply), SetupError)
    assert reached == ["/v1/chat/completions"]


def test_a_reset_connection_is_no_answer():
    """The request may have arrived, and may have to be paid."""

    def reply(request: web.Request, body: dict[str, Any]) -> web.Response:
        assert request.transport
        request.transport.abort()
        return web.Response()

    error = error_of(reply)
    assert type(error) is Unanswered


def test_a_server_that_does_not_listen_is_unreachable():
    """The request certainly did not arrive."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"

        async def story() -> None:
            async with open_model("openai:x", concurrency=1, environ={"OPENAI_BASE_URL": url}) as model:
                await model.complete(REQUEST)

        with pytest.raises(Unreachable, match="no connection"):
            asyncio.run(story())


def test_a_reply_without_end_is_not_read_to_its_end():
    """Bounded memory, and no second try that would be paid again."""
    error = error_of(lambda _, __: web.Response(body=b"x" * (MAX_REPLY_BYTES + 1)))
    assert isinstance(error, InputError)
    assert "larger than" in str(error)


def calls_to(reply: Reply, times: int = 2, request: Request = REQUEST) -> list[dict[str, Any]]:
    """The bodies that a server sees in that many calls of one session."""
    bodies: list[dict[str, Any]] = []

    def noting(asked: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        bodies.append(body)
        return reply(asked, body)

    async def story() -> None:
        async with model_behind(by(noting)) as model:
            for _ in range(times):
                await model.complete(request)

    asyncio.run(story())
    return bodies


def test_connections_are_used_again():
    """Ten calls one after the other need one connection."""
    ports: set[int] = set()

    def reply(request: web.Request, body: dict[str, Any]) -> web.Response:
        assert request.transport
        ports.add(request.transport.get_extra_info("peername")[1])
        return completion("{}", body)

    calls_to(reply, times=10)
    assert len(ports) == 1


def test_a_cancelled_call_lets_go_of_its_connection():
    """The server sees its client gone, so a hung call costs nothing further."""

    async def story() -> None:
        arrived, gone = asyncio.Event(), asyncio.Event()

        async def hang(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
            arrived.set()
            try:
                await asyncio.Event().wait()
            finally:
                gone.set()
            raise AssertionError

        async with model_behind(hang) as model:
            call = asyncio.create_task(_awaited(model.complete(REQUEST)))
            await arrived.wait()
            call.cancel()
            async with asyncio.timeout(5):
                await gone.wait()

    asyncio.run(story())


async def _awaited(work: Awaitable[Answer]) -> Answer:
    return await work
