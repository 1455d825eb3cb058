"""What the reading of a document took is told, however it ended."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from counterfoil.document import Usage
from counterfoil.errors import ClaimLost, RateLimited, SetupError, Unavailable
from counterfoil.extract_model import usage_of
from counterfoil.model import Answer, Request, ScriptedModel
from model_reading import GOOD, MODEL, extract, failure, scripted, usage_in


def test_usage_of_failed_attempts_and_repairs_is_kept():
    """Two failures, one misfit, one good answer: four calls, two answers' tokens and cost."""
    misfit = Answer("{}", 100, 10, "m")
    good = Answer(GOOD, 200, 20, "m")
    _, usage = asyncio.run(extract(scripted(Unavailable("a"), misfit, RateLimited("b"), good)))
    assert usage == Usage(4, 300, 30, Decimal("0.000168"))


def test_an_extraction_that_fails_says_what_it_used():
    """A misfit that was paid for, then a set-up error: both calls, the tokens of one."""
    error = failure(scripted(Answer("{}", 100, 10, "m"), SetupError("key revoked")))
    assert usage_in(error) == Usage(2, 100, 10, Decimal("0.000056"))


def test_an_extraction_that_is_cancelled_says_what_it_used():
    """The call in flight is of unknown outcome, and so is one."""

    class ThenHangs(ScriptedModel):
        async def complete(self, request: Request) -> Answer:
            if self.calls == 1:
                hanging.set()
                await asyncio.Event().wait()
            return await super().complete(request)

    hanging = asyncio.Event()

    async def story() -> Usage:
        task = asyncio.create_task(extract(ThenHangs(lambda _: Answer("{}", 100, 10, "m"), name=MODEL)))
        await hanging.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        return usage_in(caught.value)

    assert asyncio.run(story()) == Usage(2, 100, 10, Decimal("0.000056"), unknown_calls=1)


def test_a_call_that_was_never_made_is_not_counted():
    """A claim that is lost before the call costs nothing."""
    error = failure(scripted(ClaimLost("taken over")))
    assert usage_in(error) == Usage()


def test_the_cost_of_an_unknown_model_is_unknown_while_its_tokens_count():
    """None, never 0, in the sum as well."""
    model = ScriptedModel(lambda _: Answer(GOOD, 200, 20, "m"), name="openai:my-llama")
    _, usage = asyncio.run(extract(model))
    assert usage == Usage(1, 200, 20, None)


def test_the_cost_of_an_answer_without_counts_is_unknown():
    """A server that doesn't count is not free."""
    assert usage_of(Answer(GOOD, 0, 0, "m"), MODEL) == Usage(1, 0, 0, None)


def test_a_failed_attempt_leaves_the_cost_known():
    """A refused call isn't billed, so one 429 doesn't make the sum of a batch unknown."""
    _, usage = asyncio.run(extract(scripted(RateLimited("b"), Answer(GOOD, 100, 10, "m"))))
    assert usage.cost_usd == Decimal("0.000056")
