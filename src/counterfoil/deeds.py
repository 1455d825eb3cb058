"""What only the holder of a claim may write into its document's record: that it is being read, was read, is asked
about, came to its end, is left to a batch, or is given back.

It promises that each is durable once it returns, that it is accepted under the claim's current attempt only (the fence:
`ClaimLost` otherwise), and that a claim which was taken up again under way still gets it. It claims nothing itself.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from . import transitions, transitions_batch
from .claims import Claim, Holding
from .commit import Change, Records
from .document import Usage
from .errors import ClaimLost, CommitUncertain
from .manifest import Manifest, shard_of
from .spend import NOTHING
from .transitions_batch import HandOver


class Commit(Protocol):
    """Applies a change to a shard, durably; `landed` is told what it left, also if the caller was cancelled."""

    def __call__(
        self, shard: int, change: Change, landed: Callable[[Records], None] | None = None
    ) -> Awaitable[None]: ...


class Deeds:
    """Those of one worker. `held` loses the claims that end; `released` is told that some were given back."""

    def __init__(self, manifest: Manifest, held: Holding, commit: Commit, released: Callable[[], None]) -> None:
        self._me, self._clock, self._shards = manifest.writer, manifest.clock, manifest.shards
        self._held, self._commit, self._released = held, commit, released

    def _shard(self, document: str) -> int:
        return shard_of(document, self._shards)

    async def begin(self, claim: Claim) -> None:
        """Records, durably, that a document is being read with which a worker has died before. Raises `ClaimLost`."""
        at = self._clock.stamp()
        await self._of_claim(
            claim, lambda attempt: transitions.begin(claim.document, self._me, attempt, at), lambda _: None
        )

    async def read(self, claim: Claim) -> None:
        """Records, durably, that it was read. Raises `ClaimLost`."""
        at = self._clock.stamp()
        await self._of_claim(
            claim, lambda attempt: transitions.read(claim.document, self._me, attempt, at), lambda _: None
        )

    async def intend(self, claim: Claim) -> None:
        """Records, durably, that the next call of this claim goes out, and what those before it took.

        Raises `ClaimLost` if another worker has taken the document over: that call must not be made.
        """
        call, used, before = claim.used.calls + 1, claim.used, claim.untold
        if claim.asking >= call:
            return

        def landed(_: Records) -> None:
            claim.asking, claim.told = call, used

        at = self._clock.stamp()
        await self._of_claim(
            claim, lambda attempt: transitions.ask(claim.document, self._me, attempt, call, before, at), landed
        )

    async def finish(self, claim: Claim, facts: Mapping[str, Any], found: Usage = NOTHING) -> None:
        """Records the outcome and what the calls of this claim took, durably; `found` is what an adopted result tells
        of calls before it. Raises `ClaimLost` if another worker has taken the document over."""
        at, rest = self._clock.stamp(), claim.untold + claim.owed + found

        def landed(_: Records) -> None:
            self._held.drop(claim)

        await self._of_claim(
            claim, lambda attempt: transitions.finish(claim.document, self._me, attempt, facts, rest, at), landed
        )

    async def collected(self, claim: Claim) -> None:
        """Records what the request took that a batch answered, durably; the claim goes on without a batch."""
        at = self._clock.stamp()

        def landed(updates: Records) -> None:
            claim.owed, claim.record = NOTHING, updates[claim.document]

        await self._of_claim(
            claim,
            lambda attempt: transitions_batch.collected(claim.document, self._me, attempt, claim.owed, at),
            landed,
        )

    async def hand_over(self, claims: Mapping[Claim, Mapping[str, Any]]) -> set[Claim]:
        """Leaves documents to a batch that is about to be submitted, durably, each with its request in it. Returns
        those that were left to it; the claims of the others were lost."""
        by_shard: defaultdict[int, list[Claim]] = defaultdict(list)
        for claim in claims:
            by_shard[self._shard(claim.document)].append(claim)
        done: set[Claim] = set()
        await asyncio.gather(*(self._hand_over(shard, of, claims, done) for shard, of in by_shard.items()))
        return done

    async def _hand_over(
        self, shard: int, given: Sequence[Claim], batch: Mapping[Claim, Mapping[str, Any]], done: set[Claim]
    ) -> None:
        at, pairs = self._clock.stamp(), [(claim, claim.attempt) for claim in given]

        def landed(updates: Records) -> None:
            for claim, attempt in pairs:
                if claim.document in updates:
                    done.add(claim)
                if claim.document in updates or claim.attempt == attempt:
                    self._held.drop(claim)

        handed = [HandOver(c.document, attempt, batch[c], c.untold + c.owed) for c, attempt in pairs]
        while True:
            with suppress(CommitUncertain):  # what landed already is found so
                await self._commit(shard, transitions_batch.hand_over(handed, self._me, at), landed)
                break
        if again := [claim for claim, _ in pairs if claim not in done and claim in self._held]:
            await self._hand_over(shard, again, batch, done)  # they were taken up again under way

    async def _of_claim(self, claim: Claim, change: Callable[[int], Change], landed: Callable[[Records], None]) -> None:
        """Commits a change that only the holder of the claim may make, under the attempt that the claim has by then."""
        while True:
            attempt = claim.attempt
            try:
                with suppress(CommitUncertain):  # one that landed already is no change: ask again
                    return await self._commit(self._shard(claim.document), change(attempt), landed)
            except ClaimLost:
                if claim.attempt == attempt:  # else it was taken up again under way
                    self._held.drop(claim)
                    raise

    async def release(self, claims: Iterable[Claim]) -> None:
        """Gives claims back unfinished, with what their calls took."""
        by_shard: dict[int, list[Claim]] = {}
        for claim in claims:
            by_shard.setdefault(self._shard(claim.document), []).append(claim)

        async def give_back(shard: int, given: list[Claim]) -> None:
            pairs = [(claim, claim.attempt) for claim in given]
            named = [(claim.document, attempt) for claim, attempt in pairs]
            rest = {claim.document: claim.untold for claim in given}
            change = transitions.release(named, self._me, rest, self._clock.stamp())

            def landed(_: Records) -> None:
                for claim, attempt in pairs:
                    if claim.attempt == attempt:
                        self._held.drop(claim)

            await self._commit(shard, change, landed)
            self._released()
            if again := [claim for claim, attempt in pairs if claim.attempt != attempt]:
                await give_back(shard, again)  # they were taken up again under way

        await asyncio.gather(*(give_back(shard, given) for shard, given in by_shard.items()))
