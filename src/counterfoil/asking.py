"""Documents on their way to the model and back: the permit of each call, what it took, and what its failure means.

It promises that no call goes out unless its claim holds, the run goes on, the record tells of it, and --max-cost allows
it; and that whatever the calls of a claim took is in its books (`Claim.used`), however they end.
"""

from __future__ import annotations

from decimal import Decimal

from .brake import Brake, Stopped
from .claims import Claim
from .cost_limit import CostLimit, CostReached, Withdrawn
from .document import Reading, Usage
from .errors import InputError, SetupError, Unavailable
from .judging import Answered
from .model import Model, Unreachable
from .outcome import usage_of_error
from .settings import Settings, Tally, Tools

_MORE_INPUT, _MOST_OUTPUT = 5_000, 4_000
"""Tokens: of what goes with a text, and of an answer; a guess on the high side, for as long as no call has told."""


class Asker:
    """The way to the model of one run; `tally.usage` grows by what its calls take."""

    def __init__(self, model: Model, tools: Tools, settings: Settings, brake: Brake, tally: Tally) -> None:
        self._model, self._tools, self._settings, self._brake, self._tally = model, tools, settings, brake, tally
        self.cost_reached = False
        """Whether --max-cost has stopped the run."""
        self._cost_limit = (
            CostLimit(settings.max_cost, tools.worker, settings.concurrency, brake.clock)
            if settings.max_cost is not None
            else None
        )

    async def ask(self, claim: Claim, reading: Reading) -> Answered:
        """What the model makes of a document. Raises `InputError` if it gives no answer, `SetupError` if it can't be
        reached at all (`Unavailable` where the run is patient), `Stopped` if the run is being stopped, and
        `ClaimLost`."""

        from .extract_model import extract_with_model  # a run starts faster without the model's part

        async def permit(so_far: Usage) -> None:
            """No call goes out once the run is stopping or the claim is lost, nor before the record says so."""
            claim.used = so_far
            self._brake.check()
            await self._tools.worker.assure(claim)
            await self._intend(claim, reading)
            self._brake.check()
            await self._tools.worker.assure(claim)  # the intent may have landed long before we heard of it

        settings, limit = self._settings, self._cost_limit
        model = self._tools.watch.asking(self._model, claim, settings.prices)
        try:
            fields, claim.used = await extract_with_model(
                reading.text,
                claim.document,
                limit.watching(model, claim) if limit else model,
                self._tools.pace,
                images=reading.images,
                sleep=self._brake.clock.sleep,
                random=self._brake.clock.random,
                max_attempts=settings.max_attempts,
                permit=permit,
                deadline=settings.call_timeout,
                prices=settings.prices,
                form=settings.form,
            )
            return Answered(fields, claim.used)
        except BaseException as exc:
            claim.used = usage_of_error(exc)  # however it ended, it may have to be paid
            if isinstance(exc, Unreachable) and settings.patient:
                raise
            if isinstance(exc, Unreachable) and not (claim.used + self._tally.usage).calls:  # no document's fault
                raise SetupError(f"the model can't be reached: {exc}; check its address and the network") from exc
            if isinstance(exc, Unavailable):
                raise InputError(f"the model gave no answer: {exc}; `retry` it later") from exc
            raise
        finally:
            self._tally.usage += claim.used

    def ended(self, claim: Claim) -> None:
        """A document has come to its end, and its record tells what its calls took."""
        if self._cost_limit:
            self._cost_limit.ended(claim)

    async def _intend(self, claim: Claim, reading: Reading) -> None:
        """Has the record say that a call goes out, unless that would pass --max-cost."""
        if self._cost_limit is None:
            return await self._tools.worker.deeds.intend(claim)
        tokens = len(reading.text) // 2 + _MORE_INPUT, _MOST_OUTPUT
        guess = self._settings.prices.cost(self._model.name, *tokens) or Decimal(0)
        try:
            await self._cost_limit.admit(claim, guess)
        except CostReached:
            self.cost_reached = True
            self._brake.pull()
            raise Stopped from None
        except Withdrawn:
            raise Stopped from None
