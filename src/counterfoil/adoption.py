"""Results that need not be paid for, since they are there: looked for before a call, where there can be one.

It promises that no result is missed that was left by a worker whose document was taken over, by an earlier run, or by
this one. Where the OUT had no result when this worker came, and nobody else is at it, a document that nobody has held
before, and whose like was not read here, can have none: that spares a request for each document of a first run.
"""

from __future__ import annotations

import asyncio

from .claims import Claim
from .results import Results, Stored
from .worker import Worker

_BITS = 1 << 24


class Adoption:
    """What can be adopted at one OUT by this worker."""

    def __init__(self, results: Results, worker: Worker) -> None:
        self._results, self._worker = results, worker
        # One bit an input, by its name: two that share one cost a look, and a million inputs no more memory than ten.
        self._read_here = bytearray(_BITS // 8)
        self._had_any: asyncio.Task[bool] | None = None

    def begin(self) -> None:
        """Looks, in the background, whether there is any result yet; before this worker does anything else."""
        if not self._worker.statuses:  # else there was a run before
            self._had_any = asyncio.create_task(self._results.any(), name="results")
            self._had_any.add_done_callback(lambda task: task.cancelled() or task.exception())  # nobody may ask

    async def find(self, claim: Claim, name: str) -> Stored | None:
        """The result of this input that another claim left, None if there is none."""
        new = self._is_new(name) and claim.attempt == 1 and self._worker.company == 1
        if new and self._had_any and not await self._had_any:
            return None
        return await self._results.find(name)

    def _is_new(self, name: str) -> bool:
        byte, bit = divmod(int(name[:16], 16) % _BITS, 8)
        known = self._read_here[byte] & (1 << bit)
        self._read_here[byte] |= 1 << bit
        return not known
