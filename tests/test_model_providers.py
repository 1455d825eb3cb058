"""Anthropic, Google and Amazon Bedrock, each through its own library against a real HTTP server in its wire format."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from counterfoil.allowance import Allowance
from counterfoil.errors import CounterfoilError, InputError, RateLimited, SetupError, Unanswered, Unavailable
from counterfoil.extract_model import extract_with_model
from counterfoil.model import Answer, Image, Request, Turn, Unreachable, open_model
from counterfoil.model_answer import invoice_schema
from counterfoil.pace import Pace
from counterfoil.prices import LIST_PRICES
from counterfoil.prompt import INSTRUCTIONS, opening
from model_server import sample_invoice
from provider_server import ANTHROPIC, BEDROCK, GOOGLE, KEY, PROVIDERS, Provider, Reply, Server, model_of

REQUEST = Request((Turn("system", "Always the same."), Turn("user", "Read this.")), invoice_schema(), "invoice")

every_provider = pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)


def ask(provider: Provider, script: Callable[[dict[str, Any]], Reply], request: Request = REQUEST, times: int = 1):
    """The last answer of that many calls in one session, and the server that gave it."""
    server = Server(script)

    async def story() -> Answer:
        async with model_of(provider, server) as model:
            answers = [await model.complete(request) for _ in range(times)]
            return answers[-1]

    return asyncio.run(story()), server


def refused(provider: Provider, reply: Reply) -> tuple[CounterfoilError, Server]:
    """The error that a call ends with when the server says this, and the server."""
    server = Server(lambda _: reply)

    async def story() -> None:
        async with model_of(provider, server) as model:
            await model.complete(REQUEST)

    with pytest.raises(CounterfoilError) as caught:
        asyncio.run(story())
    return caught.value, server


@every_provider
def test_an_answer_is_one_request_and_bears_all_its_tokens(provider: Provider):
    """What was read from the provider's cache and what was written to it are part of the input, and told apart."""
    answer, server = ask(provider, lambda _: Reply(provider.answer({"gross_total": 119.25})))
    assert json.loads(answer.text) == {"gross_total": 119.25}
    assert (answer.input_tokens, answer.output_tokens, answer.cached_tokens) == (35, 7, 20)
    assert answer.written_tokens == (0 if provider is GOOGLE else 5)
    assert answer.finish == "stop"
    assert [request.raw_path.partition("?")[0] for request in server.requests] == [provider.path]


@every_provider
def test_the_key_is_sent_to_the_address_that_is_configured(provider: Provider):
    """In whatever header the provider has for it; Amazon's only signs."""
    _, server = ask(provider, lambda _: Reply(provider.answer({})))
    values = " ".join(server.requests[0].headers.values())
    assert (KEY in values) is (provider is not BEDROCK)
    assert provider is not BEDROCK or "Credential=AKIAEXAMPLE" in values


@every_provider
def test_the_schema_binds_the_answer(provider: Provider):
    """As a response format, or as the input of a tool that must be called."""
    _, server = ask(provider, lambda _: Reply(provider.answer({})))
    body = server.bodies[0]
    if provider is ANTHROPIC:
        schema, forced = body["tools"][0]["input_schema"], body["tool_choice"]["type"] in ("any", "tool")
    elif provider is BEDROCK:
        schema = body["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"]
        forced = next(iter(body["toolConfig"]["toolChoice"])) in ("any", "tool")
    else:
        schema, forced = body["generationConfig"]["responseJsonSchema"], True
    assert forced
    assert schema["required"] == invoice_schema()["required"]
    assert list(schema["properties"]["line_items"]["items"]["properties"])[:2] == ["line_id", "description"]


@every_provider
def test_the_constant_part_is_the_same_for_every_document(provider: Provider):
    """Byte for byte: tools or format, and the instructions; only the messages differ."""

    def constant(text: str) -> str:
        request = Request(opening(text, f"{text}.pdf"), invoice_schema(), "invoice")
        _, server = ask(provider, lambda _: Reply(provider.answer({})), request)
        return json.dumps(
            {name: part for name, part in server.bodies[0].items() if name not in ("messages", "contents")}
        )

    assert constant("one") == constant("two")
    assert json.dumps(INSTRUCTIONS)[1:-1] in constant("one")


def test_what_is_constant_is_marked_for_the_cache():
    """At the end of the instructions, which come after the tools: Anthropic caches all before the mark."""
    _, server = ask(ANTHROPIC, lambda _: Reply(ANTHROPIC.answer({})))
    assert server.bodies[0]["system"][-1]["cache_control"]["type"] == "ephemeral"
    _, server = ask(BEDROCK, lambda _: Reply(BEDROCK.answer({})))
    assert "cachePoint" in server.bodies[0]["system"][-1]


REFUSALS: dict[str, list[tuple[int, str, str, type[CounterfoilError]]]] = {
    "anthropic": [
        (401, "authentication_error", "invalid x-api-key", SetupError),
        (403, "permission_error", "Your API key does not have permission", SetupError),
        (404, "not_found_error", "model: claude-nothing", SetupError),
        (400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API", SetupError),
        (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum", InputError),
        (400, "invalid_request_error", "messages: something about this one", InputError),
        (413, "request_too_large", "Request exceeds the maximum size", InputError),
        (429, "rate_limit_error", "This request would exceed your rate limit", RateLimited),
        (529, "overloaded_error", "Overloaded", RateLimited),
        (500, "api_error", "Internal server error", Unavailable),
        (504, "timeout_error", "Timed out", Unanswered),
    ],
    "google": [
        (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", InputError),  # without its reason
        (403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers", SetupError),
        (404, "NOT_FOUND", "models/gemini-0 is not found for API version v1beta", SetupError),
        (400, "FAILED_PRECONDITION", "Please enable billing on your project", SetupError),
        (400, "INVALID_ARGUMENT", "The input token count (2) exceeds the maximum number of tokens allowed", InputError),
        (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan", RateLimited),
        (500, "INTERNAL", "An internal error has occurred", Unavailable),
        (503, "UNAVAILABLE", "The model is overloaded. Please try again later.", Unavailable),
    ],
    "bedrock": [
        (403, "AccessDeniedException", "You don't have access to the model with the specified model ID.", SetupError),
        (403, "UnrecognizedClientException", "The security token included in the request is invalid.", SetupError),
        (403, "ExpiredTokenException", "The security token included in the request is expired", SetupError),
        (404, "ResourceNotFoundException", "Could not resolve the foundation model", SetupError),
        (400, "ValidationException", "The provided model identifier is invalid.", SetupError),
        (400, "ServiceQuotaExceededException", "quota", SetupError),
        (400, "ValidationException", "Input is too long for requested model.", InputError),
        (400, "ValidationException", "something about this one", InputError),
        (429, "ThrottlingException", "Too many requests, please wait before trying again.", RateLimited),
        (424, "ModelErrorException", "The model failed", Unavailable),
        (408, "ModelTimeoutException", "The model took too long", Unanswered),
        (500, "InternalServerException", "Internal", Unavailable),
        (503, "ServiceUnavailableException", "Unavailable", Unavailable),
    ],
}
CASES = [(provider, *case) for provider, cases in REFUSALS.items() for case in cases]


@pytest.mark.parametrize(("name", "status", "kind", "message", "error_type"), CASES)
def test_a_refusal_is_typed_by_its_remedy_and_not_tried_again_by_the_library(
    name: str, status: int, kind: str, message: str, error_type: type[CounterfoilError]
):
    """One sentence with the server's words and the model; one request, since we pace and count."""
    error, server = refused(PROVIDERS[name], PROVIDERS[name].error(status, kind, message))
    assert type(error) is error_type
    assert f"127.0.0.1 (model {PROVIDERS[name].spec.partition(':')[2]})" in str(error)
    assert message[:30] in str(error)
    assert len(server.requests) == 1


def test_an_invalid_key_of_google_is_told_by_its_reason():
    """A 400 like that of a bad document, but for a word in its details."""
    reply = GOOGLE.error(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.")
    reply.body["error"]["details"] = [
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
    ]
    error, _ = refused(GOOGLE, reply)
    assert isinstance(error, SetupError)
    assert "GOOGLE_API_KEY" in str(error)


def test_a_quota_of_the_day_is_no_limit_to_wait_for():
    """Google's own limit by the day is a 429 as well; a run would wait until midnight in California."""
    reply = GOOGLE.error(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota")
    violations = [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]
    reply.body["error"]["details"] = [
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": violations}
    ]
    assert isinstance(refused(GOOGLE, reply)[0], SetupError)


@every_provider
def test_a_wait_that_the_provider_names_is_in_the_error(provider: Provider):
    """In Retry-After, or in the body as Google does."""
    kind = {"anthropic": "rate_limit_error", "google": "RESOURCE_EXHAUSTED", "bedrock": "ThrottlingException"}
    error, _ = refused(provider, provider.error(429, kind[provider.spec.partition(":")[0]], "slow", retry_after=17.0))
    assert isinstance(error, RateLimited)
    assert error.retry_after == 17


LEFT = {
    "anthropic-ratelimit-requests-limit": "50",
    "anthropic-ratelimit-requests-remaining": "0",
    "anthropic-ratelimit-requests-reset": "2026-01-01T00:00:30Z",
    "Date": "Thu, 01 Jan 2026 00:00:00 GMT",
}


def test_what_the_headers_say_is_left_is_told_with_an_answer_and_with_a_refusal():
    """The pace heeds it before it bites."""
    wanted = (Allowance("requests", 0, 30.0, 50),)
    answer, _ = ask(ANTHROPIC, lambda _: Reply(ANTHROPIC.answer({}), headers=LEFT))
    assert answer.allowances == wanted
    error, _ = refused(ANTHROPIC, Reply(ANTHROPIC.error(429, "rate_limit_error", "slow").body, 429, LEFT))
    assert isinstance(error, RateLimited)
    assert error.allowances == wanted


def test_calls_in_flight_together_each_hear_their_own_headers():
    """What one reply says is left is not told of another."""

    def script(body: dict[str, Any]) -> Reply:
        left = body["messages"][-1]["content"][0]["text"].removeprefix("Left: ")
        return Reply(ANTHROPIC.answer({}), headers={"anthropic-ratelimit-requests-remaining": left})

    async def story() -> list[Answer]:
        async with model_of(ANTHROPIC, Server(script)) as model:
            requests = [Request((Turn("user", f"Left: {n}"),), invoice_schema(), "invoice") for n in range(8)]
            return await asyncio.gather(*map(model.complete, requests))

    assert [answer.allowances[0].remaining for answer in asyncio.run(story())] == list(range(8))


@pytest.mark.parametrize(
    ("provider", "changes", "finish", "refusal"),
    [
        (ANTHROPIC, {"stop_reason": "refusal", "content": []}, "refused", "refusal"),
        (ANTHROPIC, {"stop_reason": "max_tokens"}, "length", None),
        (
            *(GOOGLE, {"candidates": [], "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}),
            *("refused", None),
        ),
        (GOOGLE, {"candidates": [{"content": {"parts": []}, "finishReason": "SAFETY"}]}, "refused", "SAFETY"),
        (
            GOOGLE,
            {"candidates": [{"content": {"parts": [{"text": "{"}]}, "finishReason": "MAX_TOKENS"}]},
            "length",
            None,
        ),
        (BEDROCK, {"stopReason": "guardrail_intervened"}, "refused", "guardrail_intervened"),
        (BEDROCK, {"stopReason": "max_tokens"}, "length", None),
    ],
)
def test_an_answer_says_how_it_ended(provider: Provider, changes: dict[str, Any], finish: str, refusal: str | None):
    """Declined or cut off; what it took is told all the same."""
    answer, _ = ask(provider, lambda _: Reply(provider.answer({}, **changes)))
    assert (answer.finish, answer.refusal) == (finish, refusal)
    assert answer.input_tokens == 35


def test_a_model_that_answers_in_words_is_read_in_words():
    """Some can't be made to call a tool."""
    answer, _ = ask(ANTHROPIC, lambda _: Reply(ANTHROPIC.answer({}, content=[{"type": "text", "text": '{"a": 1}'}])))
    assert answer.text == '{"a": 1}'


@pytest.mark.parametrize("provider", [GOOGLE, BEDROCK], ids=["google", "bedrock"])
def test_a_model_that_allows_no_temperature_is_not_given_one_again(provider: Provider):
    """Refused once a session."""
    kind = "INVALID_ARGUMENT" if provider is GOOGLE else "ValidationException"

    def given(body: dict[str, Any]) -> bool:
        return "temperature" in body.get("generationConfig", body.get("inferenceConfig", {}))

    def script(body: dict[str, Any]) -> Reply:
        if given(body):
            return provider.error(400, kind, "`temperature` is deprecated for this model.")
        return Reply(provider.answer({}))

    _, server = ask(provider, script, times=2)
    assert [given(body) for body in server.bodies] == [True, False, False]


@every_provider
def test_images_are_sent_with_their_turn(provider: Provider):
    """A page that is seen; in base64, as each provider has it."""
    turns = (Turn("system", "Same."), Turn("user", "Read this.", (Image("image/png", b"\x89PNG\r\n\x1a\nrest"),)))
    _, server = ask(provider, lambda _: Reply(provider.answer({})), Request(turns, invoice_schema(), "invoice"))
    assert "iVBORw0KGgpyZXN0" in json.dumps(server.bodies[0])


@every_provider
def test_a_server_that_does_not_listen_is_unreachable(provider: Provider):
    """The request certainly did not arrive."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        environ = provider.environ(f"http://127.0.0.1:{taken.getsockname()[1]}")

        async def story() -> None:
            async with open_model(provider.spec, concurrency=1, environ=environ) as model:
                await model.complete(REQUEST)

        with pytest.raises(Unreachable, match="no connection"):
            asyncio.run(story())


@every_provider
@pytest.mark.parametrize("body", [{}, [], "<html>Welcome to the hotel</html>"])
def test_a_reply_that_is_no_answer_is_no_crash(provider: Provider, body: Any):
    """A gateway's page instead of an answer: to be tried again, or an empty answer that does not fit."""
    server = Server(lambda _: Reply(body))

    async def story() -> Answer:
        async with model_of(provider, server) as model:
            return await model.complete(REQUEST)

    try:
        assert not asyncio.run(story()).text
    except CounterfoilError as error:
        assert type(error) is Unanswered


@every_provider
def test_the_key_is_in_no_message(provider: Provider):
    """Even where the server echoes it."""
    kind = {"anthropic": "authentication_error", "google": "PERMISSION_DENIED", "bedrock": "AccessDeniedException"}
    reply = provider.error(403, kind[provider.spec.partition(":")[0]], f"bad key {KEY}")
    error, _ = refused(provider, reply)
    assert KEY not in str(error)
    assert "(key)" in str(error)


@pytest.mark.parametrize(
    ("spec", "variable"),
    [("anthropic:x", "ANTHROPIC_API_KEY"), ("google:x", "GOOGLE_API_KEY")],
)
def test_a_missing_key_is_a_set_up_error_at_once(spec: str, variable: str):
    """Before anything is imported or opened; the variable is named."""
    with pytest.raises(SetupError, match=variable):
        open_model(spec, concurrency=1, environ={})


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": KEY}, "AWS_REGION"),
        ({"AWS_REGION": "eu-central-1"}, "no credentials for Amazon Bedrock"),
        ({"AWS_REGION": "eu-central-1", "AWS_PROFILE": "nobody"}, "nobody"),
    ],
)
def test_what_is_missing_of_the_set_up_of_aws_is_said_when_it_is_opened(
    environ: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
):
    """It may be in a file or with the machine, so it is only known when those have been asked; no call is made."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "BOTO_CONFIG"):
        monkeypatch.setenv(name, "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    async def story() -> None:
        async with open_model("bedrock:x", concurrency=1, environ=environ):
            pass

    with pytest.raises(SetupError, match=said):
        asyncio.run(story())


def test_an_api_key_of_bedrock_is_sent_as_a_token():
    """AWS_BEARER_TOKEN_BEDROCK goes before other credentials."""
    server = Server(lambda _: Reply(BEDROCK.answer({})))

    async def story() -> None:
        async with model_of(BEDROCK, server, AWS_BEARER_TOKEN_BEDROCK="bedrock-token") as model:
            await model.complete(REQUEST)

    asyncio.run(story())
    assert server.requests[0].headers["Authorization"] == "Bearer bedrock-token"


def test_the_endpoint_of_the_bucket_is_not_taken_for_that_of_the_model(monkeypatch: pytest.MonkeyPatch):
    """AWS_ENDPOINT_URL is for stores that speak S3; documents must not be sent there."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    server = Server(lambda _: Reply(BEDROCK.answer({})))
    environ = {"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}

    async def story() -> str:
        async with model_of(BEDROCK, server, **environ) as model:
            return model._where  # pyright: ignore

    assert asyncio.run(story()).startswith("bedrock-runtime.us-east-1.amazonaws.com ")


@pytest.mark.parametrize("provider", ["anthropic", "bedrock", "google"])
def test_without_the_extra_a_provider_says_what_to_install(provider: str):
    """One sentence; nothing was opened."""
    code = (
        "import sys; sys.modules['pydantic_ai'] = None; from counterfoil.model import open_model\n"
        "from counterfoil.errors import SetupError\n"
        "environ = {'ANTHROPIC_API_KEY': 'k', 'GOOGLE_API_KEY': 'k'}\n"
        f"try: open_model('{provider}:x', concurrency=1, environ=environ)\n"
        "except SetupError as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip().endswith("pip install 'counterfoil[providers]'")


def test_another_providers_library_is_not_imported():
    """Whoever asks OpenAI's models does not wait for the others'."""
    code = "import sys, counterfoil.model as m; m.import_client('openai:x'); sys.exit('pydantic_ai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@every_provider
def test_an_invoice_is_read_paced_and_costed_as_with_any_model(provider: Provider):
    """A refusal for the rate, then the answer: two calls, the tokens and the list price of one."""
    replies = iter(
        [provider.error(529, "overloaded_error", "Overloaded"), Reply(provider.answer(sample_invoice("A-1")))]
    )

    async def story():
        async with model_of(provider, Server(lambda _: next(replies))) as model:

            async def sleep(_: float) -> None:
                await asyncio.sleep(0)

            return await extract_with_model("Invoice A-1", "a.pdf", model, Pace(4), sleep=sleep)

    invoice, usage = asyncio.run(story())
    assert (invoice.invoice_number, invoice.gross_total) == ("A-1", Decimal("119.00"))
    written = 0 if provider is GOOGLE else 5
    cost = LIST_PRICES.cost(provider.spec, 35, 7, cached_tokens=20, written_tokens=written)
    assert (usage.calls, usage.input_tokens, usage.output_tokens, usage.cost_usd) == (2, 35, 7, cost)
    assert cost
