"""Documents with which a worker has died, on their way to be read again: any of them may be what killed it.

Whichever it was must be found out by the deaths that it causes, and what was only at hand must not be taken for it. So
suspects are read one at a time, those of the fewest deaths first, and each only once its record says so, durably: after
the first death, further ones count against it only while it is being read. What comes after that (the model) is not
held up, nor are documents above suspicion, which cost no write more.
"""

from __future__ import annotations

import asyncio
from heapq import heappop, heappush
from itertools import count

from .claims import Claim
from .worker import Worker


class Suspects:
    """Those of one worker. Whatever becomes of a claim, `leave` ends its turn."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._waiting: list[tuple[int, int, Claim, asyncio.Future[None]]] = []
        self._numbers = count()
        self._turn: Claim | None = None

    async def begin(self, claim: Claim) -> None:
        """Returns once the document may be read; of a suspect, its record says by then that it is being read. Raises
        `ClaimLost`."""
        deaths = claim.record.get("deaths", 0)
        if not deaths:
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heappush(self._waiting, (deaths, next(self._numbers), claim, turn))
        self._next()
        await turn
        await self._worker.deeds.begin(claim)

    async def read(self, claim: Claim) -> None:
        """The document was read, and goes on; its record says so, if it was a suspect. Raises `ClaimLost`."""
        if claim is self._turn:
            self._turn = None
            self._next()  # before ours is on record: the mark of the next may go with it
            await self._worker.deeds.read(claim)

    def leave(self, claim: Claim) -> None:
        """Ends the turn of a claim; nothing if it has none."""
        if claim is self._turn:
            self._turn = None
            self._next()

    def _next(self) -> None:
        while self._waiting and self._turn is None:
            _, _, claim, turn = heappop(self._waiting)
            if not turn.done():  # else whoever waited for it was cancelled
                self._turn = claim
                turn.set_result(None)
