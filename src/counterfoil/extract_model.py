"""One document's text becomes an invoice, or another form, by asking a model, as often as that takes and no more often.

It promises that the model's answer fits the form or is sent back with the error a bounded number of times, that no
cent is lost on the way (amounts go from JSON text to `Decimal`), and that whatever was used is told, in failure too.
It never holds a slot of the `Pace` while it backs off, and never judges what the invoice says (see `checks`).
"""

from __future__ import annotations

import asyncio
import random as chance
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from .document import Data, PageImage, Usage
from .errors import InputError, RateLimited, SetupError, Unanswered, Unavailable
from .form import Form, MisfitError, UnreadableError
from .invoice import Invoice
from .model import Answer, Model, Request, Turn, Unreachable
from .model_answer import invoice_form
from .pace import LONGEST_HOLD, Pace
from .prices import LIST_PRICES, Prices
from .prompt import PROMPT_VERSION, opening, repair

__all__ = ["PROMPT_VERSION", "extract_with_model", "usage_of"]

BACK_OFF_BASE = 1.0
BACK_OFF_CAP = 60.0
"""Seconds. After failure n (from 0) the wait is a random time up to base x 2^n, at most the cap: full jitter."""
LONGEST_REFUSED = 900.0
"""Seconds. A document whose calls were refused for the rate `max_attempts` times running fails only after so long: the
first burst against a limit is no fault of its own, but a day's quota that is used up must not hold a run for ever."""

NO_ANSWER = (Unanswered, asyncio.CancelledError)
"""What a call ends with that may have been worked on, and be billed, though nothing is known of it."""
MAY_HAVE_REACHED_IT = (Unavailable, SetupError, InputError, asyncio.CancelledError)
"""What a call ends with that a server may have seen. Errors of other kinds come from before it."""


async def extract_with_model(
    text: str,
    file_name: str,
    model: Model,
    pace: Pace,
    *,
    images: Sequence[PageImage] = (),
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    random: Callable[[], float] = chance.random,
    max_attempts: int = 6,
    max_repairs: int = 2,
    permit: Callable[[Usage], Awaitable[None]] | None = None,
    deadline: float = 120.0,
    prices: Prices = LIST_PRICES,
    form: Form | None = None,
) -> tuple[Invoice | Data, Usage]:
    """What the model reads in `text` and sees on `images` by this `form` (an invoice if None), and what the calls took.

    `max_attempts` bounds the failed calls for one answer (refusals for the rate are counted by themselves, and bounded
    by `LONGEST_REFUSED` too), `max_repairs` the answers that are sent back because they do not fit, and also those that
    are no JSON at all; a call is given up after `deadline` seconds, and counts as one that may have been paid. `permit`
    is awaited before each call goes out, with what was used until then, and forbids it by raising. Raises `Unavailable`
    after the last attempt, `SetupError` at once, `InputError` where the model declines, the document is too long, or no
    answer fits. Whatever is raised, a cancellation too, bears the `Usage` until then as its attribute `usage`. A call
    without an answer counts as a call of unknown outcome; one that the server refused, as a call at no cost.
    """
    form = form or invoice_form()
    caller = _Caller(model, pace, sleep, random, max_attempts, permit, deadline, prices, form)
    try:
        said = await _converse(caller, opening(text, file_name, images, form.instructions), max_repairs)
    except BaseException as error:
        error.__dict__["usage"] = caller.usage
        raise
    return said, caller.usage


async def _converse(caller: _Caller, turns: tuple[Turn, ...], max_repairs: int) -> Invoice | Data:
    asked = turns
    misfits = unreadable = 0
    rest: Data | None = None
    while True:
        answer = await caller.ask(asked)
        if answer.finish == "refused":
            raise InputError(
                f"{caller.model.name} declined to read the document: {(answer.refusal or 'filtered')[:200]}"
            )
        try:
            return caller.form.parse(answer.text, cut_off=answer.finish == "length")
        except MisfitError as misfit:
            spoiled = isinstance(misfit, UnreadableError)
            misfits, unreadable = misfits + (not spoiled), unreadable + spoiled
            if misfits > max_repairs or unreadable > max_repairs:
                misfit.rest = misfit.rest or rest
                return _rest_of(misfit, misfits + unreadable)
            rest = misfit.rest or rest
            # Only the last answer is shown again: one that needs two repairs must not cost the sum of all before.
            asked = (*turns, *repair(answer.text, str(misfit)))


def _rest_of(misfit: MisfitError, answers: int) -> Data:
    """What can be kept of the last answer."""
    if misfit.rest is None:
        raise InputError(f"the model's answer did not fit the schema after {answers} answers: {misfit}") from misfit
    return misfit.rest


@dataclass(slots=True)
class _Caller:
    """Makes the calls of one document, again where that may help, and adds up what they took."""

    model: Model
    pace: Pace
    sleep: Callable[[float], Awaitable[None]]
    random: Callable[[], float]
    max_attempts: int
    permit: Callable[[Usage], Awaitable[None]] | None
    deadline: float
    prices: Prices
    form: Form
    usage: Usage = field(default_factory=Usage)

    async def ask(self, turns: tuple[Turn, ...]) -> Answer:
        request = Request(turns, self.form.schema, self.form.name)
        failures = refusals = 0
        refused_since: float | None = None
        while True:
            try:
                return await self._call(request)
            except RateLimited as error:
                now = self.pace.now()
                refused_since = now if refused_since is None else refused_since
                wait = self._back_off(refusals, error)
                refusals += 1
                if refusals >= self.max_attempts and now - refused_since >= LONGEST_REFUSED:
                    raise
            except Unavailable as error:
                wait = self._back_off(failures, error)
                failures, refusals, refused_since = failures + 1, 0, None
                if failures >= self.max_attempts:
                    raise
            await self.sleep(wait)

    def _back_off(self, failures: int, error: Unavailable) -> float:
        wait = self.random() * min(BACK_OFF_CAP, BACK_OFF_BASE * 2 ** min(failures, 16))
        if not isinstance(error, RateLimited):
            return wait
        return max(wait, min(error.retry_after or 0.0, LONGEST_HOLD))

    async def _call(self, request: Request) -> Answer:
        async with self.pace.slot(request.characters) as slot:
            if self.permit:
                await self.permit(self.usage)
            try:
                answer = await self._within_deadline(request)
            except MAY_HAVE_REACHED_IT as error:
                made = not isinstance(error, Unreachable)
                self.usage += Usage(calls=made, unknown_calls=made and isinstance(error, NO_ANSWER))
                if isinstance(error, RateLimited):
                    self.pace.refused(slot, error.retry_after, error.allowances)
                raise
            self.pace.answered(slot, answer.input_tokens, answer.output_tokens, answer.allowances)
        self.usage += usage_of(answer, self.model.name, self.prices)
        return answer

    async def _within_deadline(self, request: Request) -> Answer:
        try:
            async with asyncio.timeout(self.deadline):
                return await self.model.complete(request)
        except TimeoutError as exc:
            raise Unanswered(f"{self.model.name} did not answer within {self.deadline:g} s") from exc


def usage_of(answer: Answer, model: str, prices: Prices = LIST_PRICES) -> Usage:
    """What one answered call of `model` (`PROVIDER:NAME`) took, at these prices."""
    taken = answer.input_tokens + answer.output_tokens
    # A server that sends no counts didn't work for nothing: what it cost is unknown then, not 0.
    tokens = (answer.input_tokens, answer.output_tokens, answer.cached_tokens, answer.written_tokens)
    cost = prices.cost(model, *tokens) if taken else None
    return Usage(1, answer.input_tokens, answer.output_tokens, cost)
