"""Many workers driven as one: started, replaced when they are lost, stopped together. It divides no work: that is the
manifest's.

It promises that a set-up error which every worker meets is told once, that a worker which is lost is replaced a bounded
number of times, that nobody waits for a place that was never found, and that no worker of its own is left when it is
through, however it ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress

from .clock import Clock
from .display import counted
from .distribute_order import Ended, Seat
from .errors import SetupError, Unavailable
from .tasks import settled

# So many losses running, each within so many seconds of its beginning, and a seat stays empty.
_LOSSES = 5
_SOON = 60.0
# Seconds for the others to leave: once nothing is left to do, and where calls in flight may end first.
_LEAVE = 15.0
_LEAVE_CALLS = 45.0
_AT_ONCE = 10.0
_LONG = 30.0


class Crew:
    """Workers in `seats`; `note` says a sentence to the user. `stop` may be called from a signal handler."""

    def __init__(self, seats: Sequence[Seat], note: Callable[[str], None], clock: Clock) -> None:
        self._seats, self._note, self._clock = seats, note, clock
        self._manned: dict[asyncio.Task[Ended], Seat] = {}
        self._stop = asyncio.Event()
        self._noted: set[str] = set()
        self.ends: list[Ended] = []

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    def stop(self) -> None:
        """No new documents; calls in flight may end."""
        self._stop.set()

    async def work(self) -> None:
        """Returns when the work has ended, and says why in `ends`. Raises `SetupError` where every worker met one,
        `Unavailable` if all were lost."""
        self._manned = {asyncio.create_task(self._man(seat), name="seat"): seat for seat in self._seats}
        beside = asyncio.create_task(self._tell_to_stop(), name="stop"), asyncio.create_task(self._wonder())
        try:
            await self._until_they_left()
        finally:
            for task in beside:
                task.cancel()
            await settled(self._dismiss())
        if not any(end.how in ("finished", "cost", "stopped") for end in self.ends) and not self.stopping:
            raise self._why_none()
        self._say_refusals()

    async def _man(self, seat: Seat) -> Ended:
        """Keeps a worker at work in a seat until there is no use in another."""
        losses = 0
        while True:
            begun = self._clock.monotonic()
            ended = await seat.work()
            if ended.final or self.stopping:
                return ended
            losses = losses + 1 if self._clock.monotonic() - begun < _SOON else 1
            if losses == _LOSSES:
                return ended
            self._note(f"a worker was lost ({ended.reason or 'stopped from outside'}); another takes its place")
            await self._rest(2.0 ** (losses - 1) - 1)

    async def _rest(self, seconds: float) -> None:
        """Waits, but not once the crew is told to stop."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)

    async def _until_they_left(self) -> None:
        """Waits for every worker that is at work. Who is only asked for is not waited for once the work is done."""
        waiting, deadline = set(self._manned), None
        while waiting:
            left = None if deadline is None else max(0.0, deadline - self._clock.monotonic())
            done, waiting = await asyncio.wait(waiting, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                return
            for task in done:
                self._ended(task)
            if self._leave is not None or any(end.how == "refused" for end in self.ends):
                await self._give_up(waiting)
            if deadline is None and self._leave is not None:
                deadline = self._clock.monotonic() + self._leave

    def _ended(self, task: asyncio.Task[Ended]) -> None:
        """Notes how a worker ended, and says what its user should know, each sentence once."""
        if task.cancelled():  # nobody waits for it any more
            return
        ended = task.result()
        self.ends.append(ended)
        if ended.how == "refused":  # perhaps all will be, for the same reason: that is the run's error then
            asyncio.get_running_loop().call_later(_AT_ONCE, self._say_refusals)
        elif ended.how in ("lost", "failed") and not self.stopping:
            self._note(f"a worker was lost {_LOSSES} times running ({ended.reason}); its place stays empty")
        for sentence in ended.notes:
            self._say(sentence)

    def _say_refusals(self) -> None:
        """Where others go on without them."""
        for end in self.ends:
            if end.how == "refused":
                self._say(f"a worker can't work: {end.reason}")

    def _say(self, sentence: str) -> None:
        if sentence not in self._noted:
            self._noted.add(sentence)
            self._note(sentence)

    @property
    def _leave(self) -> float | None:
        """How long the others are waited for, None: as long as they work."""
        if any(end.how == "finished" for end in self.ends):
            return _LEAVE
        return _LEAVE_CALLS if self.stopping or any(end.how == "cost" for end in self.ends) else None

    async def _give_up(self, waiting: Collection[asyncio.Task[Ended]]) -> None:
        """Ends the wait for places that were not found yet: once there is nothing left to do there, or if everybody
        who found one was refused."""
        there = await asyncio.gather(*(self._manned[task].present() for task in waiting))
        if self._leave is None and any(there):
            return
        for task, present in zip(waiting, there, strict=True):
            if not present:
                task.cancel()

    async def _tell_to_stop(self) -> None:
        """Once it is to stop, says so to every worker, and gives each the time that its calls in flight have."""
        await self._stop.wait()
        await asyncio.gather(*(seat.tell("stop") for seat in self._seats))
        await self._give_up([task for task in self._manned if not task.done()])
        await self._clock.sleep(_LEAVE_CALLS)
        for task in self._manned:
            task.cancel()

    async def _wonder(self) -> None:
        """Says so if nobody has found a place for long: a cluster may never have room for what was asked."""
        await self._clock.sleep(_LONG)
        if not any(await asyncio.gather(*(seat.present() for seat in self._seats))):
            self._note("no worker has found a place yet: they begin when the cluster has room for what each asks for")

    async def _dismiss(self) -> None:
        """Ends whoever is still there: told first, so that claims are given back, then without asking."""
        rest = [task for task in self._manned if not task.done()]
        if rest:
            await asyncio.gather(*(self._manned[task].tell("now") for task in rest), return_exceptions=True)
            await asyncio.wait(rest, timeout=_AT_ONCE)
        for task in rest:
            task.cancel()
        await asyncio.gather(*self._manned, return_exceptions=True)

    def _why_none(self) -> Exception:
        for end in self.ends:
            if end.how == "refused":
                return SetupError(end.reason)
        last = self.ends[-1].reason if self.ends else "none found a place"
        many = counted(len(self._seats), "worker")
        return Unavailable(
            f"{many} were lost {_LOSSES} times running, the last: {last}; what was recorded is kept: run again to go on"
        )
