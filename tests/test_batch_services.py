"""The laws of both batch adapters, over real HTTP: what is submitted is found and collected, errors tell what to do."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.batch_provider import START, Fate, Provider, providing

from counterfoil.batch import (
    BatchGone,
    BatchRequest,
    BatchService,
    Order,
    Outcome,
    Search,
    Sought,
    Unprocessed,
    open_batch_service,
)
from counterfoil.errors import InputError, RateLimited, SetupError, Unavailable
from counterfoil.model import Answer, Request, Turn, Unreachable

SPECS = ["openai:gpt-4.1-mini", "anthropic:claude-sonnet-4-5"]
both = pytest.mark.parametrize("spec", SPECS)


class At:
    """A time that stands until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


def order(name: str = "cf-0123456789abcdef", count: int = 3) -> Order:
    """A batch of `count` requests."""
    turns = (Turn("system", "Read invoices."), Turn("user", "Text ü €"))
    request = Request(turns, {"type": "object", "properties": {}}, "invoice")
    return Order(name, [BatchRequest(f"{name}-{n:032x}-1", request) for n in range(count)])


def sought(submitted: Order, *known: str) -> Sought:
    return Sought(submitted.name, len(submitted.requests), datetime.fromtimestamp(START, UTC), known)


@asynccontextmanager
async def behind(
    spec: str, fate: Callable[[str, Any], Fate] = lambda name, body: Fate(text=name), **environ: str
) -> AsyncGenerator[tuple[BatchService, Provider, At]]:
    """A service, its provider, and the provider's time."""
    at = At()
    provider = Provider(fate, now=at)
    async with providing(provider) as variables, open_batch_service(spec, variables | environ) as service:
        yield service, provider, at


async def collected(service: BatchService, batch: str) -> dict[str, Outcome]:
    return {name: outcome async for name, outcome in service.results(batch)}


@both
async def test_what_is_submitted_is_answered_each_request_by_its_id(spec: str):
    """Whatever the order of the results; tokens are those that the provider counted."""
    async with behind(spec) as (service, provider, at):
        batch = await service.submit(order())
        assert not (await service.look(batch)).ended
        at.now += provider.takes
        assert (await service.look(batch)).ended
        outcomes = await collected(service, batch)
        assert set(outcomes) == {request.id for request in order().requests}
        for name, outcome in outcomes.items():
            assert isinstance(outcome, Answer)
            assert (outcome.text, outcome.input_tokens, outcome.output_tokens) == (name, 1000, 100)


@both
async def test_a_submission_whose_reply_is_lost_tells_that_it_may_have_landed(spec: str):
    """It is `Unavailable`, and no more than that: only a listing tells."""
    async with behind(spec) as (service, provider, _):
        provider.drop_replies = 1
        with pytest.raises(Unavailable) as raised:
            await service.submit(order())
        assert not isinstance(raised.value, (Unreachable, RateLimited))
        assert len(provider.batches) == 1


@both
async def test_a_server_that_is_not_there_has_certainly_taken_nothing(spec: str):
    """Then the same batch may be submitted again."""
    nowhere = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "ANTHROPIC_BASE_URL": "http://127.0.0.1:9"}
    async with behind(spec, **nowhere) as (service, _, _):
        with pytest.raises(Unreachable):
            await service.submit(order())


async def test_openai_batches_are_found_by_their_metadata_at_any_time():
    """Also behind pages of others, and only once they are listed."""
    async with behind(SPECS[0]) as (service, provider, at):
        provider.late = 60
        batch = await service.submit(order())
        for n in range(150):
            provider.submit("our-own-secret-0123456789", {}, {"counterfoil": f"other-{n}"})
        assert await service.find(sought(order())) == Search()
        at.now += 60
        assert await service.find(sought(order())) == Search(batch)
        assert await service.find(sought(order("cf-other"))) == Search()


async def test_anthropic_batches_are_found_by_the_ids_of_their_requests_once_they_have_ended():
    """Until then one of the same size may be it; one of another size, or known to be another, is not."""
    async with behind(SPECS[1]) as (service, provider, at):
        batch = await service.submit(order())
        other = await service.submit(order("cf-ffffffffffffffff"))
        await service.submit(order("cf-aaaaaaaaaaaaaaaa", count=2))
        assert await service.find(sought(order())) == Search(open=True)
        assert await service.find(sought(order(), batch, other)) == Search()
        assert await service.find(sought(order(count=7))) == Search()
        at.now += provider.takes
        assert await service.find(sought(order())) == Search(batch)
        assert await service.find(sought(order("cf-bbbbbbbbbbbbbbbb"))) == Search()


@both
async def test_another_account_sees_nothing(spec: str):
    """Its name differs, and the batch is gone for it."""
    async with behind(spec) as (service, provider, _):
        batch = await service.submit(order())
        provider.batches[batch].account = "somebody-else"
        with pytest.raises(BatchGone):
            await service.look(batch)
    async with behind(spec, OPENAI_API_KEY="another-key", ANTHROPIC_API_KEY="another-key") as (other, _, _):
        assert other.account != service.account


@both
async def test_a_cancelled_batch_still_answers_what_was_done(spec: str):
    """The rest is absent or unprocessed, and costs nothing; cancelling what has ended changes nothing."""
    async with behind(spec) as (service, provider, _):
        provider.done_at_cancel = 1
        batch = await service.submit(order())
        await service.cancel(batch)
        await service.cancel(batch)
        assert (await service.look(batch)).ended
        outcomes = await collected(service, batch)
        answered = [outcome for outcome in outcomes.values() if isinstance(outcome, Answer)]
        assert len(answered) == 1
        assert all(isinstance(outcome, (Answer, Unprocessed)) for outcome in outcomes.values())


@pytest.mark.parametrize(
    ("spec", "fate", "kind"),
    [
        (SPECS[0], Fate("expired"), Unprocessed),
        (SPECS[0], Fate("error", "overloaded"), Unavailable),
        (SPECS[0], Fate("error", "bad key", "invalid_api_key", 401), SetupError),
        (SPECS[0], Fate("error", "too long", "context_length_exceeded", 400), InputError),
        (SPECS[0], Fate("error", "unsupported value: temperature", "unsupported_value", 400), Unavailable),
        (SPECS[1], Fate("expired"), Unprocessed),
        (SPECS[1], Fate("error", "busy", "overloaded_error"), Unavailable),
        (SPECS[1], Fate("error", "bad key", "authentication_error"), SetupError),
        (SPECS[1], Fate("error", "prompt is too long", "invalid_request_error"), InputError),
    ],
)
async def test_an_error_of_one_request_tells_whose_it_is(spec: str, fate: Fate, kind: type[Exception]):
    """To be asked again, the set-up's, or the document's."""
    async with behind(spec, lambda name, body: fate) as (service, provider, at):
        batch = await service.submit(order(count=1))
        at.now += provider.takes
        (outcome,) = (await collected(service, batch)).values()
        assert isinstance(outcome, kind)


async def test_a_feature_that_a_model_lacks_is_left_out_of_the_next_batch():
    """A model that takes no temperature is asked without one once it has said so."""
    fate = Fate("error", "Unsupported value: 'temperature'", "unsupported_value", 400)
    async with behind(SPECS[0], lambda name, body: fate if "temperature" in body else Fate()) as (
        service,
        provider,
        at,
    ):
        batch = await service.submit(order())
        at.now += provider.takes
        refused = (await collected(service, batch)).values()
        again = await service.submit(order("cf-again", count=1))
        at.now += provider.takes
        (answered,) = (await collected(service, again)).values()
        assert [type(outcome) for outcome in refused] == [Unavailable] * 3
        assert isinstance(answered, Answer)


@both
@pytest.mark.parametrize(("kind", "finish"), [("length", "length"), ("refused", "refused")])
async def test_an_answer_tells_how_it_ended(spec: str, kind: Any, finish: str):
    """Cut off, or declined."""
    async with behind(spec, lambda name, body: Fate(kind, "no")) as (service, provider, at):
        batch = await service.submit(order(count=1))
        at.now += provider.takes
        (outcome,) = (await collected(service, batch)).values()
        assert isinstance(outcome, Answer)
        assert outcome.finish == finish


@pytest.mark.parametrize(("code", "kind"), [("token_limit_exceeded", Unavailable), ("model_not_found", SetupError)])
async def test_a_batch_that_openai_refuses_as_a_whole_says_why(code: str, kind: type[Exception]):
    """A full queue passes, a model that does not exist does not."""
    async with behind(SPECS[0]) as (service, provider, _):
        provider.problem = code
        view = await service.look(await service.submit(order()))
        assert view.ended
        assert isinstance(view.problem, kind)


@pytest.mark.parametrize(
    ("spec", "environ", "said"),
    [
        ("mistral:x", {}, "--batch takes openai:NAME or anthropic:NAME"),
        ("openai:", {}, "--batch takes"),
        ("anthropic:claude", {}, "set ANTHROPIC_API_KEY"),
        ("openai:gpt", {}, "set OPENAI_API_KEY"),
    ],
)
def test_what_can_not_be_opened_is_told_at_once(spec: str, environ: dict[str, str], said: str):
    """Before anything is read or written."""
    with pytest.raises(SetupError, match=said):
        open_batch_service(spec, environ)


@both
async def test_no_message_contains_the_key(spec: str):
    """Even if the server repeats it."""
    key = "our-own-secret-0123456789"
    fate = Fate("error", f"wrong key {key}", "authentication_error", 401)
    async with behind(spec, lambda name, body: fate) as (service, provider, at):
        batch = await service.submit(order(count=1))
        at.now += provider.takes
        (outcome,) = (await collected(service, batch)).values()
        assert isinstance(outcome, SetupError)
        assert key not in str(outcome)
