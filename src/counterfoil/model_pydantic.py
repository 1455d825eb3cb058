"""Models that are reached through pydantic-ai: our conversations in its terms, its responses and errors in ours.

It promises one HTTP request a call (plus one, once a session, for a model that turns out to allow no temperature),
since the libraries' own retries are switched off where they are opened, and the limits that headers tell, for those
whose HTTP client is `http_client`. Some of these libraries read numbers as floats, so that amounts of up to 15 digits
are exact. It never retries a call, and no message contains a key.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, cast
from urllib.parse import urlsplit

import httpx2
from pydantic_ai import direct
from pydantic_ai import exceptions as theirs
from pydantic_ai import messages as parts
from pydantic_ai.models import Model as TheirModel
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from .errors import CounterfoilError, SetupError, Unanswered
from .model import Answer, Request, Turn, Unreachable
from .model_address import Address
from .model_allowance import allowances
from .model_refusals import Refusal, brief

CONNECT_SECONDS = 30.0
TOTAL_SECONDS = 900.0
"""The last resort against a call that hangs; callers set a shorter deadline of their own."""
MOST_TOKENS = 16_000
"""Of an answer, where a provider must be told: some 200 lines of an invoice. pydantic-ai lowers it for models that have
less."""

# What these errors are called in a `Refusal`, whatever the provider's status and words for them.
_CODES: Mapping[type[theirs.ModelAPIError], str] = {
    theirs.ModelQuotaExceededError: "insufficient_quota",
    theirs.ModelContextWindowExceededError: "context_length_exceeded",
    theirs.ModelAuthenticationError: "invalid_api_key",
    theirs.ModelNotFoundError: "model_not_found",
}
_heard: ContextVar[list[httpx2.Headers] | None] = ContextVar("heard", default=None)


@asynccontextmanager
async def http_client(url: str, concurrency: int) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client whose replies' headers `ProviderModel` hears. Redirects are not followed."""
    async with httpx2.AsyncClient(
        timeout=httpx2.Timeout(TOTAL_SECONDS, connect=CONNECT_SECONDS),
        limits=httpx2.Limits(max_connections=concurrency, max_keepalive_connections=concurrency),
        # Proxies are for hosts elsewhere; a plain http address is nearly always a server next door.
        trust_env=urlsplit(url).scheme == "https",
        event_hooks={"response": [_hear]},
    ) as client:
        yield client


async def _hear(response: httpx2.Response) -> None:
    if (heard := _heard.get()) is not None:
        heard.append(response.headers)


class ProviderModel:
    """One model of pydantic-ai as one of ours.

    `address` is where it is, for messages; `settings` go with every request. With `native` the schema binds the answer,
    else the answer is the argument of a tool that the model must call. `setup_errors` are what the provider's library
    raises where a person must act.
    """

    def __init__(
        self,
        name: str,
        model: TheirModel,
        address: Address,
        settings: ModelSettings,
        *,
        native: bool = False,
        setup_errors: tuple[type[Exception], ...] = (),
    ) -> None:
        self.name = name
        self._model = model
        self._address = address
        self._where = f"{urlsplit(address.url).hostname} (model {model.model_name})"
        self._settings = settings
        self._native = native
        self._setup_errors = setup_errors
        self._temperature = True

    async def complete(self, request: Request) -> Answer:
        while True:
            with_temperature = self._temperature
            heard: list[httpx2.Headers] = []
            _heard.set(heard)
            try:
                response = await self._request(request, with_temperature)
            except theirs.ModelHTTPError as exc:
                refusal = self._refusal(exc)
                if not (with_temperature and refusal.refused_feature({"temperature"})):
                    raise self._refused(refusal, request, _headers(exc)) from exc
                self._temperature = False
            except Exception as exc:  # four libraries speak here, and each has errors of its own
                raise self._broken(exc) from exc
            else:
                return _answer(response, heard[-1] if heard else {})

    async def _request(self, request: Request, with_temperature: bool) -> parts.ModelResponse:
        settings = {**self._settings, **({"temperature": 0} if with_temperature else {})}
        return await direct.model_request(
            self._model,
            _messages(request.turns),
            model_settings=cast("ModelSettings", settings),
            model_request_parameters=_parameters(request, self._native),
            instrument=False,
        )

    def _refusal(self, exc: theirs.ModelHTTPError) -> Refusal:
        refusal = Refusal.of(exc.status_code, _headers(exc), b"", _error_in(exc.body), self._address.key)
        codes = {code for kind, code in _CODES.items() if isinstance(exc, kind)}
        return replace(refusal, codes=refusal.codes | codes, retry_after=refusal.retry_after or exc.retry_after)

    def _refused(self, refusal: Refusal, request: Request, headers: Mapping[str, str]) -> CounterfoilError:
        blind = refusal.of_images(self._where) if request.has_images else None
        return blind or refusal.error(self._where, self._address.variables, allowances(headers))

    def _broken(self, exc: Exception) -> CounterfoilError:
        """What an error means that is no reply of the provider's."""
        said = brief(str(exc) or type(exc).__name__, self._address.key)
        if any(isinstance(cause, ssl.SSLError) for cause in _causes(exc)):
            return SetupError(f"no safe connection to {self._where}: {said}")
        if isinstance(exc, (theirs.UserError, *self._setup_errors)):
            return SetupError(f"{self._where} can't be asked: {said}; check {self._address.variables}")
        if isinstance(exc, theirs.ModelConnectionError) and exc.phase in ("connect", "pool"):
            return Unreachable(f"no connection to {self._where}: {said}")
        return Unanswered(f"the call to {self._where} broke off: {said}")


def _headers(exc: theirs.ModelHTTPError) -> httpx2.Headers:
    return httpx2.Headers(exc.headers or {})


def _causes(exc: BaseException | None) -> Iterator[BaseException]:
    while exc is not None:
        yield exc
        exc = exc.__cause__ or exc.__context__


def _error_in(body: object) -> Mapping[str, Any]:
    """The provider's error in the form in which OpenAI has it; Amazon's is apart."""
    if not isinstance(body, dict):
        return {"error": str(body or "")}
    reply = cast("dict[str, Any]", body)
    amazon = cast("Any", reply.get("Error"))
    return {"error": {"message": amazon.get("Message"), "code": amazon.get("Code")}} if amazon else reply


def _messages(turns: Sequence[Turn]) -> list[parts.ModelMessage]:
    """System turns stand with the user turn after them, the first of all; thereby they are what is cached."""
    messages: list[parts.ModelMessage] = []
    system: list[parts.ModelRequestPart] = []
    for turn in turns:
        if turn.role == "system":
            system.append(parts.SystemPromptPart(turn.content))
        elif turn.role == "user":
            images = [parts.BinaryContent(image.data, media_type=image.media_type) for image in turn.images]
            content = [turn.content, *images] if images else turn.content
            messages.append(parts.ModelRequest([*system, parts.UserPromptPart(content)]))
            system = []
        else:
            messages.append(parts.ModelResponse([parts.TextPart(turn.content)]))
    return messages


def _parameters(request: Request, native: bool) -> ModelRequestParameters:
    name, schema = request.schema_name, dict(request.schema)
    if native:
        wanted = OutputObjectDefinition(json_schema=schema, name=name, strict=True)
        return ModelRequestParameters(output_mode="native", output_object=wanted)
    tool = ToolDefinition(
        name=name,
        parameters_json_schema=schema,
        description="Takes the JSON object that is asked for.",
        kind="output",
    )
    return ModelRequestParameters(output_mode="tool", output_tools=[tool], allow_text_output=False)


def _answer(response: parts.ModelResponse, headers: Mapping[str, str]) -> Answer:
    usage, refused = response.usage, response.finish_reason == "content_filter"
    details = response.provider_details or {}
    why = details.get("refusal") or details.get("block_reason_message") or details.get("finish_reason")
    return Answer(
        text=_text(response),
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        model=response.model_name or "",
        finish="refused" if refused else "length" if response.finish_reason == "length" else "stop",
        refusal=str(why) if refused and why else None,
        cached_tokens=usage.cache_read_tokens,
        written_tokens=usage.cache_write_tokens,
        allowances=allowances(headers),
    )


def _text(response: parts.ModelResponse) -> str:
    calls = [part for part in response.parts if isinstance(part, parts.ToolCallPart)]
    if calls:
        return calls[0].args_as_json_str()
    return "".join(part.content for part in response.parts if isinstance(part, parts.TextPart))
