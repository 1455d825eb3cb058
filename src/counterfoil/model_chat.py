"""The form of OpenAI's chat completions: a conversation as the body of a request, and a reply as an answer.

It promises that nothing is assumed of a reply, and that the constant part of a request comes first, byte for byte the
same. It never uses the network.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Set
from contextlib import suppress
from typing import Any, cast

import orjson

from .model import Answer, Request, Turn
from .model_allowance import allowances
from .model_refusals import Feature, form_of

_THOUGHT_ENDS = "</think>"


def payload(model: str, request: Request, offered: Set[Feature]) -> dict[str, Any]:
    """The body of a request for one JSON object, by the best way that a server with these features has.

    No limit of tokens is set: what it is called differs from server to server, and without one none cuts an answer off
    earlier than it must.
    """
    form = form_of(offered)
    turns = request.turns if form in ("json_schema", "tools") else with_schema_in_words(request)
    body: dict[str, Any] = {"model": model, "messages": [_message(turn) for turn in turns]}
    if "temperature" in offered:
        body["temperature"] = 0
    return body | _form(request, form)


def _form(request: Request, form: Feature | None) -> dict[str, Any]:
    name, schema = request.schema_name, request.schema
    if form == "json_schema":
        wanted = {"name": name, "strict": True, "schema": schema}
        return {"response_format": {"type": "json_schema", "json_schema": wanted}}
    if form == "tools":
        function = {"name": name, "description": "Takes the JSON object that is asked for.", "parameters": schema}
        return {
            "tools": [{"type": "function", "function": function}],
            "tool_choice": {"type": "function", "function": {"name": name}},
        }
    return {"response_format": {"type": "json_object"}} if form == "json_object" else {}


def _message(turn: Turn) -> dict[str, Any]:
    """Text alone stays a plain string, which every server takes; images make it a list of parts."""
    if not turn.images:
        return {"role": turn.role, "content": turn.content}
    shown = [f"data:{image.media_type};base64,{b64encode(image.data).decode()}" for image in turn.images]
    images = [{"type": "image_url", "image_url": {"url": url}} for url in shown]
    return {"role": turn.role, "content": [{"type": "text", "text": turn.content}, *images]}


def with_schema_in_words(request: Request) -> tuple[Turn, ...]:
    """The schema ends the first turn, which thereby stays the same for every document (prompt caching)."""
    first, *rest = request.turns
    schema = orjson.dumps(request.schema).decode()
    return (
        Turn(first.role, f"{first.content}\n\nAnswer with one JSON object that fits this JSON Schema:\n{schema}"),
        *rest,
    )


def read_answer(reply: Mapping[str, Any], model: str, headers: Mapping[str, str]) -> Answer:
    """The answer in a reply that has `choices`; `model` is what was asked for."""
    choice, usage = _choice(reply), _mapping(reply.get("usage"))
    message = _mapping(choice.get("message"))
    refusal, finish = message.get("refusal"), choice.get("finish_reason")
    return Answer(
        text=_arguments(message) or _said(_text(message.get("content"))),
        input_tokens=_count(usage.get("prompt_tokens")),
        output_tokens=_count(usage.get("completion_tokens")),
        model=str(reply.get("model") or model),
        finish="refused" if refusal or finish == "content_filter" else "length" if finish == "length" else "stop",
        refusal=str(refusal) if refusal else None,
        cached_tokens=_count(_mapping(usage.get("prompt_tokens_details")).get("cached_tokens")),
        allowances=allowances(headers),
    )


def uses_tools(reply: Mapping[str, Any]) -> bool:
    """Whether the reply calls the tool that it was given."""
    return bool(_arguments(_mapping(_choice(reply).get("message"))))


def has_keys(text: str, schema: Mapping[str, Any]) -> bool:
    """Whether a text is a JSON object with all keys that the schema requires."""
    return parsed(text.encode("utf-8", "replace")).keys() >= set(schema.get("required", ()))


def error_in(reply: Mapping[str, Any]) -> Mapping[str, Any]:
    """The reply's error where an answer should be, as OpenRouter puts it, in the form of a refusal; empty if none."""
    error = _mapping(_choice(reply).get("error"))
    return {"error": error} if error else {}


def parsed(body: bytes) -> Mapping[str, Any]:
    """The JSON object in a body, empty where it is none."""
    with suppress(orjson.JSONDecodeError):
        return _mapping(orjson.loads(body))
    return {}


def _choice(reply: Mapping[str, Any]) -> Mapping[str, Any]:
    choices = reply.get("choices")
    return _mapping(cast("list[Any]", choices)[0] if isinstance(choices, list) and choices else None)


def _arguments(message: Mapping[str, Any]) -> str:
    """What the model's tool call was given, as text; some servers send it as an object."""
    calls = message.get("tool_calls")
    call = _mapping(cast("list[Any]", calls)[0] if isinstance(calls, list) and calls else None)
    arguments = _mapping(call.get("function")).get("arguments")
    return orjson.dumps(arguments).decode() if isinstance(arguments, dict) else _text(arguments)


def _text(content: Any) -> str:
    """A message's text; some servers send it in parts."""
    if isinstance(content, list):
        return "".join(_text(_mapping(part).get("text")) for part in cast("list[Any]", content))
    return content if isinstance(content, str) else ""


def _said(text: str) -> str:
    """A text without the thoughts before it, which may have braces of their own; most servers send them apart."""
    if _THOUGHT_ENDS not in text or text.lstrip().startswith("{"):
        return text
    return text.rpartition(_THOUGHT_ENDS)[2]


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}
