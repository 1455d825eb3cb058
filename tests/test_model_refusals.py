"""What refusals of an OpenAI-compatible server mean, as they come over HTTP."""

from __future__ import annotations

import asyncio
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from aiohttp import web

from counterfoil.errors import CounterfoilError, InputError, RateLimited, SetupError, Unanswered, Unavailable
from counterfoil.model import Request, Turn
from counterfoil.model_refusals import retry_after_seconds
from model_server import KEY, Reply, by, model_behind, refusal

REQUEST = Request((Turn("user", "Read this."),), {"type": "object"}, "invoice")


def error_of(reply: Reply) -> CounterfoilError:
    """What a call raises when the server answers by `reply`."""

    async def story() -> None:
        async with model_behind(by(reply)) as model:
            await model.complete(REQUEST)

    with pytest.raises(CounterfoilError) as caught:
        asyncio.run(story())
    return caught.value


REFUSALS: list[tuple[int, str | None, str, type[CounterfoilError]]] = [
    (400, "context_length_exceeded", "This model's maximum context length is 8192 tokens", InputError),
    (400, None, "the request exceeds the available context size", InputError),
    (429, "rate_limit_exceeded", "Request too large for gpt on tokens per min (TPM): Limit 1, Requested 2", InputError),
    (413, None, "Payload Too Large", InputError),
    (400, "content_policy_violation", "not allowed", InputError),
    (400, None, "something about this one request", InputError),
    (422, None, "unprocessable", InputError),
    (400, None, "The response was filtered due to Azure OpenAI's content management policy", InputError),
    (403, None, "openai/gpt-4.1 requires moderation and your input was flagged for fraud", InputError),
    (401, "invalid_api_key", "Incorrect API key provided", SetupError),
    (402, None, "Insufficient credits", SetupError),
    (400, "invalid_request_error", "Your credit balance is too low to access the API", SetupError),
    (403, None, "Country not supported", SetupError),
    (404, "model_not_found", "The model does not exist", SetupError),
    (400, "model_not_found", "no such model", SetupError),
    (429, "insufficient_quota", "You exceeded your current quota", SetupError),
    (307, None, "moved", SetupError),
    (429, "rate_limit_exceeded", "Rate limit reached", RateLimited),
    (529, "overloaded_error", "Overloaded", RateLimited),
    (408, None, "timeout", Unanswered),
    (424, None, "The model failed", Unavailable),
    (500, None, "The server had an error", Unavailable),
    (502, None, "Bad gateway", Unanswered),
    (504, None, "Gateway time-out", Unanswered),
    (503, None, "Engine overloaded", Unavailable),
]


@pytest.mark.parametrize(("status", "code", "message", "kind"), REFUSALS)
def test_a_refusal_is_typed_by_its_remedy(status: int, code: str | None, message: str, kind: type[CounterfoilError]):
    """Set-up, document, slow down, or later; the server is quoted, the place is named."""
    error = error_of(lambda _, __: refusal(status, message, code))
    assert type(error) is kind
    assert "127.0.0.1 (model some-model)" in str(error)


@pytest.mark.parametrize("status", [429, 529, 503])
def test_a_wait_that_the_server_names_is_in_the_error(status: int):
    """In seconds, also fractions of them."""
    error = error_of(lambda _, __: refusal(status, "slow down", headers={"Retry-After": "2.5"}))
    assert isinstance(error, RateLimited)
    assert error.retry_after == 2.5


def test_a_wait_can_be_a_date_and_is_measured_by_the_servers_own_clock():
    """Ours may be wrong by more than the wait; without theirs it has to do."""
    past = datetime(2001, 1, 1, tzinfo=UTC)
    later = format_datetime(past + timedelta(seconds=90), usegmt=True)
    assert retry_after_seconds({"Retry-After": later, "Date": format_datetime(past, usegmt=True)}) == 90
    assert retry_after_seconds({"Retry-After": later}) == 0
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert 90 < (retry_after_seconds({"Retry-After": soon}) or 0) <= 100


@pytest.mark.parametrize("value", ["", "soon", "-1", "nan", "inf", "Someday, GMT"])
def test_a_wait_that_is_none_is_ignored(value: str):
    """Nonsense in a header is as if it weren't there."""
    assert retry_after_seconds({"Retry-After": value}) is None


@pytest.mark.parametrize(
    "body", [{"error": "no such thing"}, {"message": "no such thing"}, {"detail": "no such thing"}, {"error": {}}]
)
def test_errors_are_quoted_in_every_form_that_servers_have(body: dict[str, Any]):
    """OpenAI's, Ollama's, vLLM's and FastAPI's."""
    error = error_of(lambda _, __: web.json_response(body, status=400))
    assert isinstance(error, InputError)
    assert "no such thing" in str(error) or body == {"error": {}}


def test_a_long_error_is_quoted_briefly_on_one_line():
    """A page of HTML is not a message."""
    error = error_of(lambda _, __: refusal(500, "line\n" * 5000))
    assert len(str(error)) < 400
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    "reply",
    [
        lambda request, _: refusal(401, f"bad key {request.headers['Authorization']}"),
        lambda request, _: refusal(500, "x" * 190 + KEY),
        lambda request, _: web.Response(status=400, text=f"echo: {KEY}"),
        lambda request, _: web.Response(body=KEY.encode()),
        lambda request, _: refusal(401, "Incorrect API key provided: sk-this-****6789."),
    ],
)
def test_the_key_is_in_no_message(reply: Reply):
    """Even where the server echoes it; nor in what a traceback prints, nor a part of it that a cut would leave."""
    error = error_of(reply)
    shown = "".join(traceback.format_exception(error))
    assert KEY[:8] not in shown
    assert KEY[-4:] not in str(error)
