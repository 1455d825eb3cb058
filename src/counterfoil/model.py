"""What a model is to Counterfoil: one method that turns a conversation into an answer, or raises a typed error.

It promises that a provider's library is imported only when that provider is opened, and that a call is made only by
`complete`. It never retries, never paces, and never reads an answer: `extract_with_model` does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Literal, Protocol

from .allowance import Allowance
from .errors import CounterfoilError, SetupError, Unavailable
from .model_address import anthropic_address, bedrock_address, google_address, openai_address
from .model_weights import local_settings, weights_of
from .prices import LIST_PRICES

PROVIDERS: Mapping[str, Callable[[Mapping[str, str]], object]] = {
    "openai": openai_address,
    "anthropic": anthropic_address,
    "bedrock": bedrock_address,
    "google": google_address,
    "local": local_settings,
}
"""What finds the address of each."""
_EXTRA = {
    "anthropic": ("pydantic_ai", "anthropic"),
    "bedrock": ("pydantic_ai", "boto3"),
    "google": ("pydantic_ai", "google.genai"),
    "local": ("xllamacpp",),
}
CHARACTERS_AN_IMAGE = 6000
"""What an image of a page takes, as a length of text: about 1,500 tokens, between what providers count for it."""


class Unreachable(Unavailable):
    """No connection to the model's server could be made, so the request was certainly not sent and cost nothing."""


@dataclass(frozen=True, slots=True)
class Image:
    """A picture for a model that sees. `media_type` is that of `data`, e.g. `image/jpeg`."""

    media_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation. `images` come after its text."""

    role: Literal["system", "user", "assistant"]
    content: str
    images: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """A conversation to continue with one JSON object. `schema` is JSON Schema in strict form (see `strict_schema`)."""

    turns: tuple[Turn, ...]
    schema: Mapping[str, Any]
    schema_name: str

    @property
    def characters(self) -> int:
        """Its length, for an estimate of its tokens; an image counts as `CHARACTERS_AN_IMAGE`."""
        return sum(len(turn.content) + CHARACTERS_AN_IMAGE * len(turn.images) for turn in self.turns)

    @property
    def has_images(self) -> bool:
        return any(turn.images for turn in self.turns)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said and what it took. Token counts are the server's own; all are 0 where it sent none.

    Of the `input_tokens`, the provider had `cached_tokens` in its cache and put `written_tokens` there. `finish` is
    `length` for a text that was cut off, and `refused` where the model or a filter declined, with `refusal` in words if
    there were any. `allowances` is what the server said to be left of its limits.
    """

    text: str
    input_tokens: int
    output_tokens: int
    model: str
    finish: Literal["stop", "length", "refused"] = "stop"
    refusal: str | None = None
    cached_tokens: int = 0
    written_tokens: int = 0
    allowances: tuple[Allowance, ...] = ()


class Model(Protocol):
    """A model that answers. Safe to call from many tasks at once; cancelling a call abandons it."""

    @property
    def name(self) -> str:
        """Provider and model as `open_model` takes them, e.g. `openai:gpt-4.1-mini`."""
        ...

    async def complete(self, request: Request) -> Answer:
        """Makes one call and returns its answer, whatever it says.

        Raises `RateLimited` and `Unavailable` where the same call may succeed later (`Unreachable` if it was not even
        sent, `Unanswered` if nothing is known of it), `SetupError` where no call can succeed, `InputError` where this
        conversation can't.
        """
        ...


def open_model(spec: str, *, concurrency: int, environ: Mapping[str, str]) -> AbstractAsyncContextManager[Model]:
    """A model by `PROVIDER:NAME`, to be entered with `async with`. `concurrency` is the most calls in flight at once.

    Addresses and keys come from `environ`, by each provider's own variables (docs/providers.md): `openai` has
    OPENAI_API_KEY and OPENAI_BASE_URL, `anthropic` ANTHROPIC_API_KEY, `google` GOOGLE_API_KEY, `bedrock` those of AWS.
    Raises `SetupError` at once for a provider that isn't known or not installed, a name or key that is missing, or an
    address that is none.
    """
    provider, name = _provider_and_name(spec)
    address = PROVIDERS[provider](environ)
    if not all(map(_installed, _EXTRA.get(provider, ()))):
        extra = "localmodel" if provider == "local" else "providers"
        raise SetupError(f"{provider}:NAME needs a package that is not installed: pip install 'counterfoil[{extra}]'")
    if provider == "local":
        weights_of(name)  # whether they are there
    return _opened(provider, name, address, concurrency)


def calls_at_once(spec: str, wanted: int) -> int:
    """How many calls in flight a model is of use with: one on this machine answers one after the other."""
    return 1 if spec.startswith("local:") else wanted


def _installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # of a package within one that isn't there
        return False


def import_client(spec: str) -> None:
    """Imports what `spec` will need, for callers with time to spare before they open it."""
    _client(_provider_and_name(spec)[0])


def _provider_and_name(spec: str) -> tuple[str, str]:
    provider, _, name = spec.partition(":")
    if provider not in PROVIDERS or not name.strip():
        known = ", ".join(f"{known}:NAME" for known in PROVIDERS)
        raise SetupError(f"no such model: {spec!r}; give one of {known}")
    return provider, name.strip()


@asynccontextmanager
async def _opened(provider: str, name: str, address: Any, concurrency: int) -> AsyncGenerator[Model]:
    # Read beside the first calls, which take longer, rather than on the loop when their answers arrive.
    prices_read = asyncio.create_task(asyncio.to_thread(LIST_PRICES.load))
    try:
        async with _client(provider)(name, address, concurrency=concurrency) as model:
            yield model
    finally:
        await prices_read


def _client(provider: str) -> Callable[..., AbstractAsyncContextManager[Model]]:
    """What opens the models of a provider. Only here are clients imported: that takes from 0.1 s to 2 s."""
    if provider == "anthropic":
        from .model_anthropic import open_anthropic

        return open_anthropic
    if provider == "bedrock":
        from .model_bedrock import open_bedrock

        return open_bedrock
    if provider == "google":
        from .model_google import open_google

        return open_google
    if provider == "local":
        from .model_local import open_local

        return open_local
    from .model_openai import open_openai

    return open_openai


class ScriptedModel:
    """A model that says what a script tells it to, for tests and simulations. It uses no network and no key.

    `script` is given each request and returns a text, an `Answer`, or an error to raise. `latency` in seconds is spent
    in `sleep`. `calls`, `in_flight` and `most_in_flight` count; a text's tokens are a quarter of its characters.
    """

    def __init__(
        self,
        script: Callable[[Request], str | Answer | CounterfoilError],
        *,
        name: str = "scripted:model",
        latency: float = 0.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.name = name
        self.calls = self.in_flight = self.most_in_flight = 0
        self._script = script
        self._latency = latency
        self._sleep = sleep

    async def complete(self, request: Request) -> Answer:
        self.calls += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await self._sleep(self._latency)
            outcome = self._script(request)
        finally:
            self.in_flight -= 1
        if isinstance(outcome, CounterfoilError):
            raise outcome
        return outcome if isinstance(outcome, Answer) else self._answer(request, outcome)

    def _answer(self, request: Request, text: str) -> Answer:
        return Answer(text, input_tokens=request.characters // 4, output_tokens=len(text) // 4, model=self.name)
