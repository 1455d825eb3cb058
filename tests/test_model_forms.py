"""How a server is asked for JSON: by what it has, found out once a session, against a real HTTP server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web

from counterfoil.errors import InputError, RateLimited, Unanswered
from counterfoil.model import Answer, Request
from model_server import Reply, completion, model_behind, refusal
from test_model_openai import REQUEST, SCHEMA, call, calls_to, error_of

LACKS_SCHEMA = "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model."
NO_TOOLS = "registry.ollama.ai/library/gemma:2b does not support tools"


def forms(bodies: list[dict[str, Any]]) -> list[str]:
    """How each of these requests asked."""
    return [
        "tools" if "tools" in body else body["response_format"]["type"] if "response_format" in body else "words"
        for body in bodies
    ]


def tool_call(arguments: Any, body: dict[str, Any], **message: Any) -> web.Response:
    """A completion that calls the function that the request forces."""
    function = {"name": body["tool_choice"]["function"]["name"], "arguments": arguments}
    calls = [{"id": "call_1", "type": "function", "function": function}]
    whole = {"role": "assistant", "content": None, "tool_calls": calls} | message
    return completion("", body, message=whole, finish_reason="tool_calls")


def without_schema(then: Reply) -> Reply:
    """A server that refuses json_schema and else answers by `then`."""

    def reply(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        lacking = body.get("response_format", {}).get("type") == "json_schema"
        return refusal(400, LACKS_SCHEMA) if lacking else then(request, body)

    return reply


def test_a_server_without_json_schema_is_given_a_tool_to_call_for_the_session():
    """Refused once, then the schema as the parameters of a function that the model must call."""
    first, second, third = calls_to(without_schema(lambda _, body: tool_call("{}", body)))
    assert forms([first, second]) == ["json_schema", "tools"]
    assert second == third
    assert second["messages"] == first["messages"]
    assert second["tools"][0]["function"]["parameters"] == SCHEMA
    assert second["tool_choice"] == {"type": "function", "function": {"name": "invoice"}}


@pytest.mark.parametrize("arguments", ['{"a": 1}', {"a": 1}])
def test_the_arguments_of_the_tool_call_are_the_answer(arguments: Any):
    """As text, or as the object that some servers make of it; what is said beside them is not."""
    answer = call(without_schema(lambda _, body: tool_call(arguments, body, content="Let me see.")))
    assert answer.text.replace(" ", "") == '{"a":1}'
    assert answer.finish == "stop"


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, NO_TOOLS),
        (500, "tools param requires --jinja flag"),
        (404, "No endpoints found that support tool use."),
        (400, "deepseek-reasoner does not support this tool_choice"),
        (422, "Function calling is not enabled for this model"),
    ],
)
def test_a_server_without_tools_gets_the_schema_in_words_and_json_mode(status: int, message: str):
    """Ollama, llama.cpp, OpenRouter, DeepSeek and others, each in its own words; asked that way from then on."""

    def reply(_: web.Request, body: dict[str, Any]) -> web.Response:
        return refusal(status, message) if "tools" in body else completion("{}", body)

    bodies = calls_to(without_schema(reply))
    assert forms(bodies) == ["json_schema", "tools", "json_object", "json_object"]
    first, last = bodies[0], bodies[-1]
    assert last["messages"][0]["content"].startswith("Always the same.\n")
    assert '"additionalProperties":false' in last["messages"][0]["content"]
    assert last["messages"][1] == first["messages"][1]


def test_a_server_that_does_not_see_tools_is_asked_in_another_way_next_time():
    """It answers in words; that answer counts, and the next request has the schema in it."""
    assert forms(calls_to(without_schema(lambda _, body: completion("{}", body)), times=3)) == [
        *("json_schema", "tools", "json_object", "json_object")
    ]


KEYED = Request(REQUEST.turns, SCHEMA | {"properties": {"a": {"type": "number"}}, "required": ["a"]}, "invoice")


def forms_of(*texts: str) -> list[str]:
    """How a server is asked that takes everything without a word and says these texts."""
    said = iter(texts)
    return forms(calls_to(lambda _, body: completion(next(said), body), times=len(texts), request=KEYED))


def test_a_server_that_ignores_the_schema_is_asked_in_another_way_after_two_answers():
    """Whether they are words or JSON of the model's own making: it hasn't seen the schema."""
    assert forms_of("Dear Sir,", '{"b": 1}', "third")[2] == "tools"


def test_a_server_that_has_kept_to_the_schema_once_is_believed():
    """Later strays are the model's, and are sent back to it."""
    assert set(forms_of("Dear Sir,", '{"a": 1}', "{", "{", "{", "last")) == {"json_schema"}


def test_an_answer_that_was_cut_off_says_nothing_of_the_server():
    """It would have had the keys."""

    def reply(_: web.Request, body: dict[str, Any]) -> web.Response:
        return completion('{"a', body, finish_reason="length")

    assert set(forms(calls_to(reply, times=4, request=KEYED))) == {"json_schema"}


def test_a_model_that_declines_or_is_cut_off_says_nothing_of_the_servers_tools():
    """The next document is asked for by a tool as before."""
    for finish in ("length", "content_filter"):
        bodies = calls_to(without_schema(lambda _, body, f=finish: completion("", body, finish_reason=f)))
        assert forms(bodies) == ["json_schema", "tools", "tools"]


def test_a_server_without_json_mode_either_gets_only_words():
    """Older servers know none of it."""

    def reply(_: web.Request, body: dict[str, Any]) -> web.Response:
        if "tools" in body:
            return refusal(400, NO_TOOLS)
        return refusal(400, "response_format is not supported") if "response_format" in body else completion("{}", body)

    assert forms(calls_to(reply)) == ["json_schema", "tools", "json_object", "words", "words"]


def test_calls_that_are_refused_at_the_same_time_give_up_one_feature():
    """Ten in flight learn together what one would have learnt."""
    asked: list[dict[str, Any]] = []

    async def reply(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        asked.append(body)
        await asyncio.sleep(0.01)
        return without_schema(lambda _, body: tool_call("{}", body))(request, body)

    async def story() -> list[Answer]:
        async with model_behind(reply) as model:
            return await asyncio.gather(*(model.complete(REQUEST) for _ in range(3)))

    asyncio.run(story())
    assert sorted(forms(asked)) == [*["json_schema"] * 3, *["tools"] * 3]


def test_a_model_that_allows_no_temperature_is_not_given_one_again():
    """Reasoning models refuse any but their own; the schema stays."""
    message = "Unsupported value: 'temperature' does not support 0 with this model."

    def reply(_: web.Request, body: dict[str, Any]) -> web.Response:
        return refusal(400, message, "unsupported_value") if "temperature" in body else completion("{}", body)

    bodies = calls_to(reply)
    assert ["temperature" in body for body in bodies] == [True, False, False]
    assert set(forms(bodies)) == {"json_schema"}


def test_no_request_names_a_limit_of_tokens():
    """`max_tokens` to some, `max_completion_tokens` to others, and each refuses the other's."""
    (body,) = calls_to(lambda _, body: completion("{}", body), times=1)
    assert not [name for name in body if "token" in name]


def test_a_server_that_keeps_refusing_features_ends_in_an_error():
    """Each feature is given up once; nothing goes round in circles."""
    error = error_of(lambda _, __: refusal(400, f"{LACKS_SCHEMA} {NO_TOOLS} temperature"))
    assert isinstance(error, InputError)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ('<think>\nIt has {"a": 2}?\n</think>\n\n{"a": 1}', '{"a": 1}'),
        ('So {"a": 2}.</think>{"a": 1}', '{"a": 1}'),
        ('{"a": "</think>"}', '{"a": "</think>"}'),
    ],
)
def test_thoughts_before_an_answer_are_no_part_of_it(said: str, text: str):
    """Servers that don't send them apart leave them in the text, braces and all."""
    assert call(lambda _, body: completion(said, body)).text.strip() == text


def test_thoughts_that_are_sent_apart_are_left_there():
    """vLLM's and llama.cpp's `reasoning_content`, OpenRouter's and Ollama's `reasoning`."""
    message = {"content": '{"a": 1}', "reasoning_content": "{hm}", "reasoning": "{hm}"}
    assert call(lambda _, body: completion("", body, message=message)).text == '{"a": 1}'


def test_an_error_in_the_place_of_an_answer_is_an_error():
    """OpenRouter's, where the upstream failed after it had begun: 200, a choice, and the true status in it."""
    error = {"code": 429, "message": "Rate limit exceeded upstream"}
    assert type(error_of(lambda _, body: completion("{", body, error=error, finish_reason="error"))) is RateLimited
    error = {"code": 502, "message": "Provider disconnected"}
    assert type(error_of(lambda _, body: completion("{", body, error=error, finish_reason="error"))) is Unanswered


def test_json_that_a_model_failed_to_write_may_be_written_the_next_time():
    """Groq keeps such an answer back and says 400; no feature is lacking, no document at fault; it may be billed."""
    for code in ("json_validate_failed", "tool_use_failed"):
        error = error_of(lambda _, __, c=code: refusal(400, "Failed to call a function. tool_choice json_schema", c))
        assert type(error) is Unanswered
