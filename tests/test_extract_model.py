"""One document read by a model: its attempts and repairs, over real HTTP, without real sleeps."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal

import pytest

from counterfoil.document import Usage
from counterfoil.errors import CounterfoilError, InputError, RateLimited, SetupError, Unanswered, Unavailable
from counterfoil.extract_model import LONGEST_REFUSED, extract_with_model
from counterfoil.model import Answer, Request, ScriptedModel, Unreachable
from model_reading import GOOD, MODEL, Virtual, extract, failure, over_http, refuses, resets, says, scripted, usage_in

# Answers


def test_a_good_answer_is_an_invoice_with_its_tokens_and_its_cost():
    """One call, its tokens as the server counted them, at the list price."""
    outcome = over_http(says(GOOD))
    assert outcome.invoice and outcome.invoice.invoice_number == "A-1"
    used = outcome.usage
    assert used.calls == len(outcome.bodies) == 1
    assert used.input_tokens > 500 and used.output_tokens == len(GOOD) // 4
    assert used.cost_usd == (used.input_tokens * Decimal("0.4") + used.output_tokens * Decimal("1.6")) / 1_000_000


def test_amounts_are_exact_to_the_last_digit():
    """What no float can hold arrives through HTTP and JSON as it was written."""
    outcome = over_http(says(GOOD.replace('"gross_total": 119.0', '"gross_total": 9007199254740993.10')))
    assert outcome.invoice and str(outcome.invoice.gross_total) == "9007199254740993.10"


def test_a_misfit_is_sent_back_with_its_error_and_repaired():
    """The second conversation is the first, the answer, and what is wrong with it."""
    bad = GOOD.replace("2024-03-01", "1 March 2024")
    outcome = over_http(says(bad), says(GOOD))
    first, second = (body["messages"] for body in outcome.bodies)
    assert outcome.invoice and outcome.usage.calls == 2
    assert second[: len(first)] == first
    assert second[-2] == {"role": "assistant", "content": bad}
    assert "issue_date: must be a string YYYY-MM-DD" in second[-1]["content"]


def test_garbage_is_sent_back_at_most_twice():
    """Three answers, then the document has failed, and says why."""
    outcome = over_http(says("I am sorry, I can't."))
    assert isinstance(outcome.error, InputError)
    assert "did not fit the schema after 3 answers: the answer is not valid JSON" in str(outcome.error)
    assert len(outcome.bodies) == outcome.usage.calls == 3


def test_a_repair_shows_the_last_answer_only():
    """A third call doesn't pay for the first answer again."""
    outcome = over_http(says("first nonsense"), says("second nonsense"), says(GOOD))
    told = json.dumps(outcome.bodies[2]["messages"])
    assert "second nonsense" in told and "first nonsense" not in told


def test_truncated_json_is_sent_back_as_cut_off():
    """A cut is told apart from a mistake, and is paid for like any answer."""
    outcome = over_http(says(GOOD[:-40], finish_reason="length"), says(GOOD))
    assert "cut off" in outcome.bodies[1]["messages"][-1]["content"]
    assert outcome.invoice and outcome.usage.output_tokens == len(GOOD[:-40]) // 4 + len(GOOD) // 4


def test_an_empty_object_is_no_reading_of_a_document():
    """`{}` fits a schema of optional fields; it is sent back all the same."""
    outcome = over_http(says("{}"), says(GOOD))
    assert "keys are missing" in outcome.bodies[1]["messages"][-1]["content"]


def test_a_refusal_of_the_content_fails_the_document_and_is_paid_for():
    """Asked once: a model that declines is not talked round."""
    outcome = over_http(says("", message={"content": None, "refusal": "I can't help with that."}))
    assert isinstance(outcome.error, InputError)
    assert "I can't help with that." in str(outcome.error)
    assert outcome.usage.calls == 1 and outcome.usage.input_tokens > 0


# Attempts


def test_a_429_with_retry_after_waits_that_long():
    """Seven seconds, though the back-off alone would have been one."""
    outcome = over_http(refuses(429, Retry_After="7"), says(GOOD))
    assert outcome.invoice and outcome.time.slept == [7.0]


def test_a_429_holds_back_the_other_documents_too():
    """They share the Pace: a document that comes later starts later."""

    async def story() -> float:
        time = Virtual()
        pace = time.pace()
        async with pace.slot() as slot:
            pace.refused(slot, 30)
        assert time.now == 0
        await extract(scripted(GOOD), time, pace=pace)
        return time.now

    assert asyncio.run(story()) == 30


def test_refusals_for_the_rate_are_not_counted_as_failures():
    """Eight in a row, of whatever length, and four errors beside them; the answer comes all the same."""
    outcomes = [RateLimited("slow down", 20.0)] * 8 + [Unavailable("busy")] * 4 + [RateLimited("slow down")] * 8
    invoice, usage = asyncio.run(extract(scripted(*outcomes, GOOD)))
    assert invoice.invoice_number == "A-1" and usage.calls == 21


def test_a_server_that_refuses_for_the_rate_for_a_quarter_of_an_hour_fails_the_document():
    """Not before, however often; and a single long hold is not enough."""
    time = Virtual()
    assert isinstance(failure(scripted(*[RateLimited("slow down", 60.0)] * 100), time), RateLimited)
    assert LONGEST_REFUSED <= time.now < LONGEST_REFUSED + 130
    invoice, _ = asyncio.run(extract(scripted(*[RateLimited("slow down", 600.0)] * 3, GOOD)))
    assert invoice.invoice_number == "A-1"


def test_500s_are_retried_with_a_back_off_that_doubles():
    """A random part of 1, 2, 4 ... seconds; here the whole of it."""
    outcome = over_http(refuses(500), refuses(502), refuses(503), says(GOOD))
    assert outcome.invoice and outcome.time.slept == [1, 2, 4]


def test_the_back_off_is_full_jitter():
    """From nothing to all of it, as chance has it."""
    time = Virtual(chance=0.25)
    asyncio.run(extract(scripted(Unavailable("a"), Unavailable("b"), GOOD), time))
    assert time.slept == [0.25, 0.5]


def test_a_reset_connection_is_retried_and_counted():
    """The first request may have been answered into the void."""
    outcome = over_http(resets, says(GOOD))
    assert outcome.invoice and outcome.usage.calls == 2


def test_a_call_that_never_left_is_retried_but_not_counted():
    """No connection, no cost."""
    _, usage = asyncio.run(extract(scripted(Unreachable("nobody there"), GOOD)))
    assert usage.calls == 1


def test_the_last_attempt_raises_the_last_reason():
    """Six attempts, five waits, and the sixth error as it came."""
    outcome = over_http(*[refuses(500)] * 5, refuses(503, "the last straw"))
    assert type(outcome.error) is Unavailable
    assert "the last straw" in str(outcome.error)
    assert (len(outcome.bodies), outcome.usage.calls, len(outcome.time.slept)) == (6, 6, 5)


def test_a_401_is_a_set_up_error_at_once():
    """One call, no wait."""
    outcome = over_http(refuses(401, "Incorrect API key provided: sk-secret-secret"))
    assert isinstance(outcome.error, SetupError)
    assert (len(outcome.bodies), outcome.time.slept) == (1, [])
    assert "sk-secret" not in str(outcome.error)


def test_a_document_that_is_too_long_fails_alone_and_at_once():
    """It isn't tried again, as it won't get shorter."""
    outcome = over_http(refuses(400, "maximum context length is 8192 tokens", "context_length_exceeded"))
    assert isinstance(outcome.error, InputError)
    assert len(outcome.bodies) == 1


def test_a_hung_call_meets_its_deadline_and_is_retried():
    """The first call never ends; it counts, since it may have been paid."""

    class HangsOnce(ScriptedModel):
        async def complete(self, request: Request) -> Answer:
            if self.calls == 0:
                self.calls += 1
                await asyncio.Event().wait()
            return await super().complete(request)

    model = HangsOnce(lambda _: GOOD, name=MODEL)
    invoice, usage = asyncio.run(extract(model, deadline=0.01))
    assert (invoice.invoice_number, usage.calls) == ("A-1", 2)


def test_a_call_that_hangs_for_good_says_how_long_it_was_waited_for():
    """`Unanswered`, with the deadline in words: it may have to be paid."""

    class Hangs(ScriptedModel):
        async def complete(self, request: Request) -> Answer:
            await asyncio.Event().wait()
            raise AssertionError

    error = failure(Hangs(lambda _: ""), deadline=0.01, max_attempts=2)
    assert type(error) is Unanswered
    assert usage_in(error) == Usage(calls=2, unknown_calls=2)
    assert "did not answer within 0.01 s" in str(error)


def test_no_slot_is_held_while_backing_off():
    """With one slot in all, another document goes through during the wait."""

    async def story() -> list[str]:
        time = Virtual()
        pace = time.pace(concurrency=1)
        order: list[str] = []

        async def sleep(_: float) -> None:
            async with asyncio.timeout(1):
                await extract(scripted(GOOD), pace=pace)
            order.append("the other")

        await extract_with_model("x", "x", scripted(Unavailable("busy"), GOOD), pace, sleep=sleep)
        return [*order, "the first"]

    assert asyncio.run(story()) == ["the other", "the first"]


def test_no_more_calls_are_in_flight_than_the_pace_allows():
    """Forty documents, some refused at first, never more than three at once."""
    refused: set[str] = set()

    def script(request: Request) -> str | CounterfoilError:
        document = request.turns[1].content
        if len(refused) < 10 and document not in refused:
            refused.add(document)
            return Unavailable("busy")
        return GOOD

    async def story() -> tuple[int, int]:
        time = Virtual()
        pace = time.pace(concurrency=3)
        model = ScriptedModel(script)
        texts = [f"Invoice {n}" for n in range(40)]
        await asyncio.gather(*(extract_with_model(t, "a", model, pace, sleep=time.sleep) for t in texts))
        return model.most_in_flight, model.calls

    assert asyncio.run(story()) == (3, 50)


def test_every_call_asks_for_its_permit_first():
    """Attempts and repairs alike: whoever pays is told what the calls before it took, and can forbid it."""
    asked: list[int] = []

    async def permit(so_far: Usage) -> None:
        asked.append(so_far.calls)

    asyncio.run(extract(scripted(Unavailable("busy"), "nonsense", GOOD), permit=permit))
    assert asked == [0, 1, 2]


def test_a_call_that_is_forbidden_is_not_made_and_not_counted():
    """What the permit raises ends the extraction; only the calls before it were used."""
    allowed = iter([True, False])

    async def permit(_: Usage) -> None:
        if not next(allowed):
            raise RuntimeError("the run is stopping")

    model = scripted("nonsense", GOOD)
    with pytest.raises(RuntimeError) as stopped:
        asyncio.run(extract(model, permit=permit))
    assert (model.calls, stopped.value.usage.calls) == (1, 1)  # pyright: ignore[reportAttributeAccessIssue]


def test_answers_that_are_no_json_use_up_no_repairs():
    """Cut off or spoiled twice, unfit twice, in any order: the fifth answer is still asked for."""
    for answers in (["{", "[]", "{}", "{}"], ["{}", "{", "{}", "{"]):
        model = scripted(*answers, GOOD)
        asyncio.run(extract(model))
        assert model.calls == 5
