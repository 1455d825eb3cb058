"""One worker process at a manifest: its heartbeat, the claims it holds, and what it knows of the rest.

It promises that no two live workers hold one document, that it knows every claim it holds (I6), that what a dead worker
held is taken over, and that a superseded worker finishes nothing (I3). It never reads a document: see `pipeline`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from itertools import islice
from math import gcd

from . import transitions
from .claims import Claim, Holding
from .commit import Change, Record, Records
from .deeds import Deeds
from .errors import ClaimLost, CommitUncertain, CounterfoilError
from .jsonfile import Json
from .liveness import Heart, Liveness
from .lookout import FEW_SHARDS, Lookout
from .manifest import Manifest, shard_of
from .tallies import Spending, Tallies
from .tasks import settled

LEASE = 30.0
COMPANY_SEEN_EVERY = 2.0
"""Seconds. Who joins holds back for twice as long where a limit is shared: by then the others have made room."""
_NOT_AHEAD = {"batch", "within", "deaths"}


class Worker:
    """A worker at an open manifest; make one with `Worker.join`."""

    def __init__(
        self, manifest: Manifest, lease: float, *, spending: bool = False, tells: Callable[[], Json] | None = None
    ) -> None:
        self._manifest, self._clock, self._me = manifest, manifest.clock, manifest.writer
        self._lease = lease
        self._heart = Heart(manifest.store, self._me, self._clock, lease, tells)
        self._liveness = Liveness(manifest.store, self._clock, lease)
        # After a long silence others may have taken our claims over: none is good then until all are taken up again.
        # Silences are counted, for another one may come while the claims of the last are being taken up.
        self._answered = 0
        self._assuring = asyncio.Lock()
        self._held = Holding(manifest.shards)
        self._tallies = Tallies(spending=spending)
        self.awake: frozenset[str] = frozenset()
        """Batches that have come to an end, so that their documents may be claimed."""
        self._lookout = Lookout(manifest, self._tallies, thorough=spending)
        # Workers begin at different shards and go on by different strides, so that they seldom meet at one.
        self._at, self._stride = shard_of(self._me, manifest.shards), _stride(self._me, manifest.shards)
        # Nothing can be claimed by what is known: thousands of shards are not gone through again before the next look.
        self._barren = False
        self.deeds = Deeds(manifest, self._held, self._commit, self._released)
        self.news = asyncio.Event()
        """Set when there may be something to claim that was not there before."""

    @classmethod
    @asynccontextmanager
    async def join(
        cls,
        manifest: Manifest,
        *,
        lease: float = LEASE,
        company: Callable[[int], None] | None = None,
        tells: Callable[[], Json] | None = None,
        spending: bool = True,
    ) -> AsyncGenerator[Worker]:
        """Announces this worker, keeps its heart beating, and on leaving gives back what it still holds.

        `company` is told, every `COMPANY_SEEN_EVERY` seconds, how many workers are alive here, this one included. What
        `tells` says of the pace of its calls stands in each heartbeat. Without `spending`, what was spent is not kept,
        which spares reads where there are many shards.
        """
        worker = cls(manifest, lease, spending=spending and company is not None, tells=tells)
        await asyncio.gather(worker._heart.begin(), worker._liveness.look(), worker._lookout.survey(1))
        tasks = [asyncio.create_task(worker._beat_on(), name="heartbeat")]
        if company:
            company(worker.company)
            tasks.append(asyncio.create_task(worker._look_around(company), name="company"))
        try:
            yield worker
        finally:
            for task in tasks:
                task.cancel()
            await settled(worker._leave(tasks))  # a second cancellation must not leave claims behind

    async def _beat_on(self) -> None:
        while True:
            await self._clock.sleep(self._lease / 3)
            # The store may come back; until then `stalled` keeps us from new calls.
            with suppress(CounterfoilError, TimeoutError):
                await self._heart.beat()
                await self._look()

    async def _look(self) -> None:
        async with asyncio.timeout(self._lease / 4):  # a listing that hangs must not hold the next beat up
            await self._liveness.look()

    async def _look_around(self, company: Callable[[int], None]) -> None:
        while True:
            await self._clock.sleep(COMPANY_SEEN_EVERY)
            with suppress(CounterfoilError, TimeoutError):
                await self._look()
                company(self.company)

    async def _leave(self, tasks: Collection[asyncio.Task[None]]) -> None:
        await asyncio.wait(tasks)
        with suppress(CounterfoilError):  # then others take over what we held, after the lease
            await self.deeds.release(self._held)
            await self._heart.stop()
            await self._liveness.bury()

    async def plan(
        self, shard: int, documents: Sequence[tuple[str, str, int]], within: str | None = None
    ) -> Collection[str]:
        """Brings documents (id, mark, size) into a shard; a claim of ours can ride in the same commit. `within`: they
        are parts of this document of the source. Returns those that somebody is working on as they were before they
        changed."""
        register = self._manifest.register(shard)
        if self._lookout.is_new(shard):
            register.assume_new()
        left: list[str] = []

        def landed(_: Records) -> None:
            assert register.known is not None, "it is what has just landed"
            records = register.known.records
            left.extend(document for document, mark, _ in documents if records[document]["mark"] != mark)

        self._tallies.expect(shard, len(documents))
        self._barren = False
        self.news.set()
        await self._commit(shard, transitions.plan(documents, self._clock.stamp(), within), landed)
        self.news.set()
        return left

    @property
    def statuses(self) -> Counter[str]:
        """Records by status over the whole manifest, as last seen."""
        return self._tallies.statuses

    @property
    def bound(self) -> Counter[str]:
        """Documents that are not finished by the batch they belong to, as last seen."""
        return self._tallies.bound

    @property
    def spending(self) -> Spending:
        """What the records of the whole manifest say of spending, as last seen. Kept only by a worker that is told of
        its company: who shares a limit."""
        return self._tallies

    @property
    def company(self) -> int:
        """How many workers are alive at this manifest, as last seen, this one included."""
        return len(self._liveness.alive() | {self._me})

    @property
    def name(self) -> str:
        """The writer that this worker is in records."""
        return self._me

    @property
    def held(self) -> int:
        """How many documents are ours to finish."""
        return len(self._held)

    def _shard(self, document: str) -> int:
        return shard_of(document, self._manifest.shards)

    def upcoming(self) -> Iterator[tuple[str, Record]]:
        """Documents with their records that nobody has claimed, as last seen, those first that are claimed next; parts
        of others, suspects and what is not at hand left out."""
        for shard in islice(self._walk(), FEW_SHARDS):
            known = self._manifest.register(shard).known
            for document, record in known.records.items() if known else ():
                if record["status"] == "pending" and not _NOT_AHEAD & record.keys():
                    yield document, record

    def is_next(self, document: str) -> bool:
        """Whether a document is in the shard from which claims are taken next."""
        return self._shard(document) == self._at

    async def survey(self) -> None:
        """Looks at what others did; see `lookout`."""
        if self._manifest.shards > FEW_SHARDS:  # how much each may look depends on how many they are
            with suppress(TimeoutError):
                await self._look()
        await self._lookout.survey(self.company)
        self._barren = False

    async def claim(self, most: int, *, asking: bool = False) -> list[Claim]:
        """Up to `most` new claims, all of one shard; none if there is nothing to claim at the moment. With `asking`
        the first call of each may go out at once: the claim itself is the intent."""
        asked = False
        for crowded in (False, True):
            for shard in self._walk() if not self._barren else ():
                claims = await self._claim_in(shard, most, asking, crowded) if shard in self._tallies.unfinished else []
                if claims:
                    self._move_to(shard)
                    return claims
                asked |= claims is None
                if claims is None and not self._lookout.missed():
                    return []
        self._barren = not asked and self._manifest.shards > FEW_SHARDS
        return []

    def _walk(self) -> Iterator[int]:
        """Every shard, from that at which we are, in an order that is hardly another worker's."""
        at, shards = self._at, self._manifest.shards
        return ((at + step * self._stride) % shards for step in range(shards))

    def _move_to(self, shard: int) -> None:
        if shard != self._at:
            left, self._at = self._at, shard
            self._forget(left)

    async def _claim_in(self, shard: int, most: int, asking: bool, crowded: bool) -> list[Claim] | None:
        """New claims in a shard; none if it is known that there are none to be had, None if it was asked in vain.
        Without `crowded`, one in which others hold claims is left to them."""
        tally = self._tallies.of(shard)
        if tally is None:
            return []
        dead = await self._liveness.dead(tally.claims.keys() - {self._me})
        if not crowded and tally.claims.keys() - {self._me} - dead:
            return []
        ours = self._held.of(shard)
        orphans = {document: attempt for owner in dead for document, attempt in tally.claims[owner].items()}
        if not (tally.claimable(self.awake) or orphans or len(tally.claims.get(self._me, ())) > len(ours)):
            return []
        change = transitions.claim(
            self._me, most, orphans, ours, self._clock.stamp(), asking=asking, awake=self.awake, crowded=crowded
        )
        claimed: list[Claim] = []
        with suppress(CommitUncertain):  # if it landed, the next claim in this shard finds those documents as ours
            await self._commit(shard, change, partial(self._took, claimed, self._heart.silences))
        return claimed or None

    def _took(self, claimed: list[Claim], silences: int, updates: Records) -> None:
        """Runs when a claim has landed, also if whoever asked for it has been cancelled: no claim is orphaned. One of
        which we heard after a silence only may have been taken over since, and is in doubt like those before it."""
        self._heart.notice()
        if self._heart.silences > silences:
            self._answered = min(self._answered, silences)
        for document, record in updates.items():
            if record["status"] == "running":
                claim = Claim(document, record["attempt"], record, record.get("asking", 0))
                self._held.add(claim)
                claimed.append(claim)

    async def _commit(self, shard: int, change: Change, landed: Callable[[Records], None] | None = None) -> None:
        register = self._manifest.register(shard)
        await register.commit(change, landed)
        if register.known is not None:
            self._tallies.note(shard, register.known)
            await self._lookout.seal(shard)
        if shard != self._at:
            self._forget(shard)

    def _released(self) -> None:
        self._barren = False

    def _forget(self, shard: int) -> None:
        """Keeps the memory of a worker small where there are many shards: those at hand are all that it keeps."""
        if self._manifest.shards > FEW_SHARDS and not self._held.of(shard):
            self._manifest.register(shard).forget()

    async def assure(self, claim: Claim) -> None:
        """Raises `ClaimLost` if the claim is no longer ours. Asks the store only if this process was away for long."""
        async with self._assuring:
            self._heart.notice()
            while self._answered < self._heart.silences:
                await self._heart.beat()
                silences = self._heart.silences
                await self._check_claims()
                self._answered = silences
                self._heart.notice()
        if claim not in self._held:
            raise ClaimLost(f"{claim.document}: another worker took it over")

    async def _check_claims(self) -> None:
        """Takes every claim up again, and drops those that somebody took over while this process was away.

        A look would not do: a takeover that was decided before our heartbeat may land right after it.
        """
        await asyncio.gather(*(self._resume(shard, claims) for shard, claims in self._held.by_shard().items()))

    async def _resume(self, shard: int, claims: Sequence[Claim]) -> None:
        change = transitions.resume(self._me, {c.document: c.attempt for c in claims}, self._clock.stamp())

        def landed(updates: Records) -> None:
            for claim in claims:
                if claim.document in updates:
                    claim.attempt = updates[claim.document]["attempt"]
                else:
                    self._held.drop(claim)

        try:
            await self._commit(shard, change, landed)
        except CommitUncertain:  # what did land is found as ours by the next claim in this shard
            for claim in claims:
                self._held.drop(claim)

    async def dead(self, workers: Collection[str]) -> Collection[str]:
        """Which of these workers are known to be dead."""
        return await self._liveness.dead(set(workers) - {self._me})


def _stride(worker: str, shards: int) -> int:
    """A step by which every shard is come to: it has no divisor in common with their number."""
    step = 1 + shard_of(f"stride of {worker}", shards)
    while gcd(step, shards) != 1:
        step += 1
    return step
