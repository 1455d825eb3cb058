"""The laws of claims: who holds a document, who takes it over, and whose finish counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from tests.faults import Fault, FaultyStore
from tests.virtual import virtual_clock, virtually

from counterfoil import transitions
from counterfoil.claims import Claim
from counterfoil.document import Usage
from counterfoil.errors import ClaimLost, Unavailable
from counterfoil.jsonfile import decode, encode
from counterfoil.liveness import Heart, heartbeat_key
from counterfoil.manifest import Manifest, shard_of
from counterfoil.store import Object
from counterfoil.store_memory import MemoryStore
from counterfoil.suspects import Suspects
from counterfoil.worker import Worker

LEASE = 30.0
DONE: dict[str, Any] = {"status": "done", "result": "results/x"}


@asynccontextmanager
async def at(store: Any, name: str, seed: int = 0, lease: float = LEASE) -> AsyncGenerator[tuple[Manifest, Worker]]:
    """A worker called `name`, as if on a machine of its own: its heartbeats tell no pid of this one."""
    async with AsyncExitStack() as stack:
        manifest = await stack.enter_async_context(Manifest.open(store, clock=virtual_clock(seed), writer=name))
        worker = await stack.enter_async_context(Worker.join(manifest, lease=lease))
        worker._heart._about["machine"] = f"machine-of-{name}"
        await worker._heart.beat()
        yield manifest, worker


async def planned(store: Any, count: int) -> None:
    async with Manifest.open(store, clock=virtual_clock(), writer="planner") as manifest:
        documents = [(f"doc-{n}", "mark", 1) for n in range(count)]
        await manifest.register(0).commit(transitions.plan(documents, "2026-01-01T00:00:00Z"))


async def die(worker: Worker) -> None:
    """Stops a worker's heart without a word, as kill -9 does."""
    for task in asyncio.all_tasks():
        if task.get_name() == "heartbeat" and task.get_coro().cr_frame.f_locals.get("self") is worker:  # type: ignore[union-attr]
            task.cancel()


async def claimed_by_all(*workers: Worker) -> list[Claim]:
    return [claim for claims in await asyncio.gather(*(w.claim(10) for w in workers)) for claim in claims]


def test_no_two_workers_hold_one_document():
    """Five workers claim at once; every document has one holder."""

    async def law() -> None:
        store = FaultyStore(MemoryStore(), latency=0.03)
        await planned(store, 40)
        async with AsyncExitStack() as stack:
            workers = [(await stack.enter_async_context(at(store, f"w{n}", n)))[1] for n in range(5)]
            held = await claimed_by_all(*workers)
            assert sorted(claim.document for claim in held) == sorted({claim.document for claim in held})
            assert len(held) == 40

    virtually(law())


def test_a_claim_whose_reply_was_lost_is_known_to_its_worker():
    """I6: whatever becomes of the write, the worker ends up holding what the manifest says it holds."""

    async def law(fault: Fault) -> None:
        store = FaultyStore(MemoryStore())
        await planned(store, 3)
        async with at(store, "w") as (manifest, worker):
            faults = iter([fault])
            store.fault = lambda op, key: next(faults, None) if key.startswith("manifest/") else None
            claims = await worker.claim(10)
            owned = {d for d, record in [r async for r in manifest.records()] if record["owner"] == "w"}
            assert {claim.document for claim in claims} == owned == {"doc-0", "doc-1", "doc-2"}

    for fault in ("lost", "lied", "late", "unsent", "refused"):
        virtually(law(fault))


def test_a_claim_that_is_cancelled_in_flight_is_not_orphaned():
    """I6: the caller is gone, but the worker knows, and gives the documents back when it leaves."""

    async def law() -> None:
        store = FaultyStore(MemoryStore(), latency=0.05)
        await planned(store, 3)
        async with at(store, "w") as (_, worker):
            claiming = asyncio.create_task(worker.claim(10))
            await asyncio.sleep(0.12)
            claiming.cancel()
            await asyncio.wait([claiming])
            assert worker.held == 3
        manifest = await Manifest.read(store, clock=virtual_clock())
        assert {record["status"] async for _, record in manifest.records()} == {"pending"}

    virtually(law())


def test_a_silent_worker_is_taken_over_after_its_lease_and_not_before():
    """No clocks of two machines are compared: only how long its heartbeat has not changed."""

    async def law() -> None:
        store = MemoryStore()
        await planned(store, 1)
        async with at(store, "dead") as (_, dead), at(store, "live") as (_, live):
            await dead.claim(1)
            await die(dead)
            await live.survey()
            assert await live.claim(1) == []
            await asyncio.sleep(LEASE * 0.6)
            await live.survey()
            assert await live.claim(1) == []
            await asyncio.sleep(LEASE * 0.8)
            (claim,) = await live.claim(1)
            assert claim.attempt == 2

    virtually(law())


def test_a_worker_with_a_longer_lease_is_judged_by_its_own():
    """It beats that seldom; whoever has a short lease must not take its silence in between for death."""

    async def law() -> None:
        store = MemoryStore()
        await planned(store, 1)
        async with at(store, "slow", lease=300.0) as (_, slow), at(store, "quick", lease=10.0) as (_, quick):
            (claim,) = await slow.claim(1)
            for _ in range(20):
                await asyncio.sleep(10)
                await quick.survey()
                assert await quick.claim(1) == []
            await slow.deeds.finish(claim, DONE, Usage())

    virtually(law())


def test_a_worker_that_could_not_look_takes_nobody_for_dead_before_it_has_looked():
    """After a stop longer than the lease every heartbeat that it remembers is old, whoever lives."""

    async def law() -> None:
        store = MemoryStore()
        await planned(store, 1)
        async with at(store, "busy") as (_, busy), at(store, "stopped") as (_, stopped):
            await busy.claim(1)
            await stopped.survey()
            await die(stopped)
            await asyncio.sleep(LEASE * 3)
            assert await stopped.claim(1) == []

    virtually(law())


def test_a_living_worker_keeps_its_claims_however_long_it_takes():
    """An hour over one document is fine as long as the heart beats."""

    async def law() -> None:
        store = MemoryStore()
        await planned(store, 1)
        async with at(store, "slow") as (_, slow), at(store, "other") as (_, other):
            (claim,) = await slow.claim(1)
            await asyncio.sleep(3600)
            await other.survey()
            assert await other.claim(1) == []
            await slow.deeds.finish(claim, DONE, Usage())

    virtually(law())


class Hanging(FaultyStore):
    """Of the plain writes and the listings of one folder, every other one hangs for `seconds`."""

    def __init__(self, store: MemoryStore, folder: str, seconds: float) -> None:
        super().__init__(store)
        self._folder, self._seconds, self._asked = folder, seconds, 0

    async def _hang(self, key: str) -> None:
        if key.startswith(self._folder):
            self._asked += 1
            await asyncio.sleep(self._seconds * (self._asked % 2))

    async def put(self, key: str, body: bytes) -> None:
        await self._hang(key)
        await super().put(key, body)

    async def list(self, prefix: str = "") -> AsyncGenerator[Any]:
        await self._hang(prefix)
        async for entry in super().list(prefix):
            yield entry


def test_a_request_that_hangs_makes_no_living_worker_seem_dead():
    """A lost reply may keep a client waiting for longer than a lease: it asks again in time for its next heartbeat."""

    async def law() -> None:
        store = MemoryStore()
        hanging = Hanging(store, "workers", 2 * LEASE)
        await planned(store, 1)
        async with at(store, "other") as (_, other), at(hanging, "busy") as (_, busy):
            (claim,) = await busy.claim(1)
            for _ in range(60):
                await asyncio.sleep(LEASE / 10)
                await other.survey()
                assert await other.claim(1) == []
            await busy.deeds.finish(claim, DONE, Usage())

    virtually(law())


def test_a_superseded_worker_finishes_nothing():
    """I3: the zombie wakes after the takeover; its finish is refused, the new holder's counts."""

    async def law() -> None:
        store = MemoryStore()
        await planned(store, 1)
        async with at(store, "zombie") as (_, zombie), at(store, "live") as (manifest, live):
            (old,) = await zombie.claim(1)
            await die(zombie)
            await asyncio.sleep(LEASE * 2)
            await live.survey()
            (new,) = await live.claim(1)
            with pytest.raises(ClaimLost):
                await zombie.deeds.finish(old, {"status": "review"}, Usage())
            await live.deeds.finish(new, DONE, Usage())
            with pytest.raises(ClaimLost):
                await zombie.deeds.finish(old, {"status": "review"}, Usage())
            record = await manifest.get("doc-0")
            assert record is not None
            assert (record["status"], record["attempt"]) == ("done", 2)

    virtually(law())


def test_a_worker_that_was_away_asks_whether_its_claim_still_holds():
    """Before it pays for a call: a zombie must not start one for a document that is somebody else's."""

    async def law() -> None:
        store = MemoryStore()
        await planned(store, 2)
        async with at(store, "zombie") as (_, zombie), at(store, "live") as (_, live):
            lost, _ = await zombie.claim(2)
            await die(zombie)
            await asyncio.sleep(LEASE * 2)
            await live.survey()
            await live.claim(1)
            with pytest.raises(ClaimLost):
                await zombie.assure(lost)

    virtually(law())


def test_a_claim_that_landed_before_a_silence_and_was_heard_of_after_it_is_in_doubt():
    """The others were asked about meanwhile; this one was not known yet, and somebody may have it by now."""

    async def law() -> None:
        store = MemoryStore()
        await planned(store, 1)
        async with at(store, "zombie") as (manifest, zombie), at(store, "live") as (_, live):
            (claim,) = await zombie.claim(1)
            zombie._held.drop(claim)  # its reply is still on the way
            known = manifest.register(0).known
            assert known is not None
            await die(zombie)
            await asyncio.sleep(LEASE * 2)
            await live.survey()
            assert await live.claim(1)
            await zombie._heart.beat()
            zombie._answered = zombie._heart.silences  # another claim was asked about
            heard: list[Claim] = []
            zombie._took(heard, 0, {"doc-0": known.records["doc-0"]})
            with pytest.raises(ClaimLost):
                await zombie.assure(heard[0])

    virtually(law())


def test_a_worker_that_was_stopped_doubts_its_claims_even_after_its_heart_beats_again():
    """SIGSTOP and SIGCONT: the heartbeat comes back first, and must not make the lost claims look good."""

    async def law() -> None:
        store, running = MemoryStore(), asyncio.Event()
        running.set()
        await planned(store, 1)

        async def sleep(seconds: float) -> None:
            await asyncio.sleep(seconds)
            await running.wait()

        clock = replace(virtual_clock(), sleep=sleep)
        async with AsyncExitStack() as stack:
            manifest = await stack.enter_async_context(Manifest.open(store, clock=clock, writer="zombie"))
            zombie = await stack.enter_async_context(Worker.join(manifest, lease=LEASE))
            zombie._heart._about["machine"] = "another"
            await zombie._heart.beat()
            (claim,) = await zombie.claim(1)
            running.clear()
            async with at(store, "live") as (_, live):
                await asyncio.sleep(LEASE * 2)
                await live.survey()
                assert len(await live.claim(1)) == 1
                running.set()
                await asyncio.sleep(1)
                assert not zombie._heart.stalled
                with pytest.raises(ClaimLost):
                    await zombie.assure(claim)

    virtually(law())


def test_a_silence_that_ends_within_a_heartbeat_is_noticed():
    """The store was away while a heartbeat was being tried again and again; what was held then is in doubt."""

    async def law() -> None:
        store = FaultyStore(MemoryStore())
        plain = store.put
        await planned(store, 1)
        async with at(store, "w") as (manifest, worker):
            (claim,) = await worker.claim(1)
            back = asyncio.get_running_loop().time() + LEASE * 0.8

            async def put(key: str, body: bytes) -> None:
                if asyncio.get_running_loop().time() < back:
                    raise Unavailable("no reply")
                await plain(key, body)

            store.put = put
            taking = transitions.claim("rival", 1, {"doc-0": claim.attempt}, (), "2026-01-01T00:00:00Z")
            await manifest.register(0).commit(taking)
            await worker._heart.beat()
            assert not worker._heart.stalled
            with pytest.raises(ClaimLost):
                await worker.assure(claim)

    virtually(law())


def test_a_takeover_that_was_decided_before_the_worker_woke_is_void_once_it_has_resumed():
    """I8: it lands after the worker has looked; only a new attempt keeps it from taking what is being paid for."""

    async def law() -> None:
        store = MemoryStore()
        await planned(store, 1)
        async with at(store, "w") as (manifest, worker):
            (claim,) = await worker.claim(1)
            late = transitions.claim("rival", 1, {"doc-0": claim.attempt}, (), "2026-01-01T00:00:00Z")
            worker._heart.silences += 1
            await worker.assure(claim)
            assert claim.attempt == 2
            assert await manifest.register(0).commit(late) == {}
            await worker.deeds.finish(claim, DONE, Usage())
            record = await manifest.get("doc-0")
            assert record is not None
            assert [e["event"] for e in record["history"]] == ["planned", "claimed", "resumed", "done"]

    virtually(law())


@pytest.mark.parametrize("ending", ["finish", "release"])
def test_a_claim_that_is_resumed_while_it_ends_still_ends(ending: str):
    """The attempt moves on under a finish or a release in flight: it is told again under the new one."""

    async def law() -> None:
        store = FaultyStore(MemoryStore(), latency=0.02)
        await planned(store, 1)
        async with at(store, "w") as (manifest, worker):
            (claim,) = await worker.claim(1)
            worker._heart.silences += 1
            end = worker.deeds.finish(claim, DONE, Usage()) if ending == "finish" else worker.deeds.release([claim])
            resuming = asyncio.create_task(worker._check_claims())
            await asyncio.sleep(0)
            await asyncio.gather(resuming, end)
            record = await manifest.get("doc-0")
            assert record is not None
            assert record["status"] == ("done" if ending == "finish" else "pending")
            assert worker.held == 0

    virtually(law())


def test_a_finish_whose_reply_was_lost_is_one_finish():
    """I2, I4: each fault on a finish leaves one finish in the history, and the caller is told of success."""

    async def law(fault: Fault) -> None:
        store = FaultyStore(MemoryStore())
        await planned(store, 1)
        async with at(store, "w") as (manifest, worker):
            (claim,) = await worker.claim(1)
            faults = iter([fault, fault])
            store.fault = lambda op, key: next(faults, None) if key.startswith("manifest/") else None
            await worker.deeds.finish(claim, DONE, Usage(calls=1))
            await asyncio.sleep(5)
            record = await manifest.get("doc-0")
            assert record is not None
            assert [event["event"] for event in record["history"]] == ["planned", "claimed", "done"]
            assert record["calls"] == 1

    for fault in ("lost", "lied", "late", "unsent", "refused"):
        virtually(law(fault))


def test_a_document_that_outlives_three_workers_is_poison_until_it_is_retried():
    """It fails with its history instead of killing a fourth worker; `retry` clears it."""

    async def law() -> None:
        store = MemoryStore()
        await planned(store, 1)
        async with at(store, "last") as (manifest, last):
            for n in range(3):
                async with at(store, f"victim-{n}") as (_, victim):
                    await victim.survey()
                    await asyncio.sleep(LEASE * 2)
                    (claim,) = await victim.claim(1)
                    assert claim.attempt == n + 1
                    await Suspects(victim).begin(claim)
                    await die(victim)
                    victim._held.clear()  # it dies without giving anything back, and its heartbeat stays
                    victim._heart.stop = lambda: asyncio.sleep(0)  # type: ignore[method-assign]
            await asyncio.sleep(LEASE * 2)
            await last.survey()
            assert await last.claim(1) == []
            record = await manifest.get("doc-0")
            assert record is not None
            assert record["status"] == "failed"
            assert "3 workers died" in record["reason"]
            await manifest.register(0).commit(transitions.retry("doc-0", "2026-01-01T00:00:00Z"))
            await last.survey()
            assert len(await last.claim(1)) == 1

    virtually(law())


def test_leaving_gives_back_what_is_held_and_takes_the_heartbeat_away():
    """After a graceful end others may go on at once."""

    async def law() -> None:
        store = MemoryStore()
        await planned(store, 5)
        async with at(store, "w") as (_, worker):
            await worker.claim(5)
            assert await store.get(heartbeat_key("w")) is not None
        assert await store.get(heartbeat_key("w")) is None
        async with at(store, "next") as (_, following):
            assert len(await following.claim(5)) == 5

    virtually(law())


@pytest.mark.parametrize("gap", [0.0, 0.02, 0.05, 0.08])
def test_a_worker_that_is_cancelled_while_it_leaves_gives_its_claims_back(gap: float):
    """The second Ctrl-C comes while the first is still being obeyed."""

    async def stay(store: Any, holding: asyncio.Event) -> None:
        async with at(store, "w") as (_, worker):
            await worker.claim(3)
            holding.set()
            await asyncio.Event().wait()

    async def law() -> None:
        store, holding = FaultyStore(MemoryStore(), latency=0.03), asyncio.Event()
        await planned(store, 3)
        staying = asyncio.create_task(stay(store, holding))
        await holding.wait()
        for _ in range(2):
            staying.cancel()
            await asyncio.sleep(gap)
        await asyncio.wait([staying])
        manifest = await Manifest.read(store, clock=virtual_clock())
        assert {record["status"] async for _, record in manifest.records()} == {"pending"}
        assert await store.get(heartbeat_key("w")) is None

    virtually(law())


def test_joining_waits_out_a_store_that_is_away_for_longer_than_a_lease():
    """A short lease is no reason to end a run before it has begun."""

    async def law() -> None:
        store = FaultyStore(MemoryStore())
        plain, until = store.put, 20.0

        async def put(key: str, body: bytes) -> None:
            if asyncio.get_running_loop().time() < until:
                raise Unavailable("no reply")
            await plain(key, body)

        store.put = put
        async with Manifest.open(store, clock=virtual_clock(), writer="w") as manifest, Worker.join(manifest, lease=3):
            assert await store.get(heartbeat_key("w")) is not None

    virtually(law())


def test_no_two_attempts_at_a_heartbeat_are_equal():
    """One that lands late must not make its writer look as it did before."""

    async def law() -> None:
        store, bodies = FaultyStore(MemoryStore()), list[bytes]()

        async def put(key: str, body: bytes) -> None:
            bodies.append(body)
            if len(bodies) % 3:
                raise Unavailable("no reply")

        store.put = put
        heart = Heart(store, "w", virtual_clock(), LEASE)
        for _ in range(3):
            await heart.beat()
        assert len(bodies) == len(set(bodies)) == 9

    virtually(law())


def test_the_heartbeats_of_the_dead_do_not_pile_up():
    """Who leaves takes them away; a living worker's stays."""

    async def law() -> None:
        store = MemoryStore()
        await planned(store, 1)
        async with at(store, "live"):
            async with at(store, "last") as (_, last):
                async with at(store, "killed") as (_, killed):
                    await die(killed)
                    killed._heart.stop = lambda: asyncio.sleep(0)  # type: ignore[method-assign]
                await asyncio.sleep(LEASE * 3)
                assert await store.get(heartbeat_key("killed")) is not None
                await last.survey()
            assert await store.get(heartbeat_key("killed")) is None
            assert await store.get(heartbeat_key("live")) is not None

    virtually(law())


def test_a_worker_of_this_machine_whose_process_is_gone_is_dead_at_once():
    """A re-run after kill -9 on the same host starts without waiting for the lease."""

    async def law() -> None:
        store = MemoryStore()
        await planned(store, 1)
        async with Manifest.open(store, clock=virtual_clock(), writer="killed") as manifest:
            await manifest.register(0).commit(transitions.claim("killed", 1, (), (), "2026-01-01T00:00:00Z"))
            async with Worker.join(manifest, lease=LEASE) as witness:
                beat = witness._heart._about
            gone = beat | {"pid": 2**22 + 1, "process_start": "1"}
            await store.put(heartbeat_key("killed"), encode(gone))
        async with at(store, "rerun") as (_, rerun):
            assert len(await rerun.claim(1)) == 1
            assert asyncio.get_running_loop().time() < 1

    virtually(law())


def test_a_reused_pid_is_not_mistaken_for_the_worker():
    """The process that has the pid now began at another time."""

    async def law() -> None:
        store = MemoryStore()
        await planned(store, 1)
        async with at(store, "w") as (manifest, worker):
            about = dict(worker._heart._about)
        async with Manifest.open(store, clock=virtual_clock(), writer="killed") as manifest:
            await manifest.register(0).commit(transitions.claim("killed", 1, (), (), "2026-01-01T00:00:00Z"))
        from counterfoil.liveness import machine

        await store.put(heartbeat_key("killed"), encode(about | {"machine": machine(), "process_start": "1"}))
        async with at(store, "rerun") as (_, rerun):
            assert len(await rerun.claim(1)) == 1

    virtually(law())


def test_a_worker_that_joined_a_moment_ago_is_not_taken_for_dead():
    """Its heartbeat is older than its first claim, so whoever sees the claim can see the heartbeat."""

    async def law() -> None:
        store = MemoryStore()
        await planned(store, 2)
        async with at(store, "old") as (_, old), at(store, "new") as (_, new):
            await new.claim(1)
            await old.survey()
            (claim,) = await old.claim(2)
            assert claim.record["history"][-1]["event"] == "claimed"
            assert await old.claim(2) == []

    virtually(law())


def test_release_keeps_what_was_spent():
    """A document given back tells the next holder what it has cost already."""

    async def law() -> None:
        store = MemoryStore()
        await planned(store, 1)
        async with at(store, "w") as (manifest, worker):
            (claim,) = await worker.claim(1)
            claim.used = Usage(calls=2, input_tokens=100)
            await worker.deeds.release([claim])
            record = await manifest.get("doc-0")
            assert record is not None
            assert (record["status"], record["calls"], record["input_tokens"]) == ("pending", 2, 100)

    virtually(law())


def test_planning_again_changes_nothing_and_a_changed_source_starts_anew():
    """A finished document stays finished until its source's mark differs; its old outcome then is gone."""
    at_ = "2026-01-01T00:00:00Z"
    first = transitions.plan([("a", "m1", 1)], at_)({})
    done = {"a": first["a"] | {"status": "done", "result": "results/x", "attempt": 1}}
    assert transitions.plan([("a", "m1", 1)], at_)(done) == {}
    again = transitions.plan([("a", "m2", 2)], at_)(done)["a"]
    assert (again["status"], again["mark"], "result" in again) == ("pending", "m2", False)
    assert [event["event"] for event in again["history"]] == ["planned", "source changed"]


def test_a_worker_keeps_only_the_shards_at_hand_in_memory():
    """A million documents cost no more memory than a thousand: planned, claimed and finished shards are let go."""

    async def law() -> None:
        async with AsyncExitStack() as stack:
            manifest = await stack.enter_async_context(Manifest.open(MemoryStore(), shards=100, clock=virtual_clock()))
            worker = await stack.enter_async_context(Worker.join(manifest))

            def kept() -> int:
                return sum(manifest.register(shard).known is not None for shard in range(100))

            by_shard: dict[int, list[tuple[str, str, int]]] = {}
            for n in range(500):
                by_shard.setdefault(shard_of(f"doc-{n}", 100), []).append((f"doc-{n}", "mark", 1))
            for shard, documents in by_shard.items():
                await worker.plan(shard, documents)
            assert kept() <= 1
            while claims := await worker.claim(10):
                for claim in claims:
                    await worker.deeds.finish(claim, DONE, Usage())
                assert kept() <= 1
            assert worker.statuses == {"done": 500}

    virtually(law())


class TagsInListings(MemoryStore):
    """As S3 does: what a listing shows of an object is its tag. Reads take as long (s) as `slow` says."""

    slow = 0.0

    async def get(self, key: str) -> Object | None:
        found = await super().get(key)
        await asyncio.sleep(self.slow)
        return replace(found, tag=found.tag + "|") if found else None

    async def put_new(self, key: str, body: bytes) -> str:
        return await super().put_new(key, body) + "|"

    async def put_if(self, key: str, body: bytes, tag: str) -> str:
        return await super().put_if(key, body, tag.removesuffix("|")) + "|"


def test_a_survey_that_began_before_a_plan_landed_hides_none_of_its_documents():
    """What it read is older than what was planned meanwhile, and no later listing would show the difference."""

    async def law() -> None:
        store = TagsInListings()
        async with at(store, "w") as (_, worker):
            await planned(store, 1)
            store.slow = 0.2
            survey = asyncio.create_task(worker.survey())
            await asyncio.sleep(0.1)
            store.slow = 0.0
            await worker.plan(0, [(f"doc-{n}", "mark", 1) for n in range(3)])
            await survey
            await worker.survey()
            assert worker.statuses == {"pending": 3}
            assert len(await worker.claim(10)) == 3

    virtually(law())


def test_a_heartbeat_that_can_not_be_read_still_lives_by_its_mark():
    """Somebody's broken file must not stop the others."""

    async def law() -> None:
        store = MemoryStore()
        await planned(store, 1)
        await store.put(heartbeat_key("odd"), b"\xff not json")
        async with at(store, "w") as (_, worker):
            assert len(await worker.claim(1)) == 1

    virtually(law())


def test_the_register_of_a_shard_is_written_as_people_can_read_it():
    """One object, indented, with the history of each document."""

    async def law() -> None:
        store = MemoryStore()
        await planned(store, 1)
        found = await store.get("manifest/0000.json")
        assert found is not None
        assert b'\n    "doc-0": {\n' in found.body
        assert decode(found.body, "")["records"]["doc-0"]["status"] == "pending"

    virtually(law())


def test_a_finish_that_landed_already_is_no_second_one():
    """I2: a worker that could not learn its verdict asks again, and the record stays as the first landing left it."""
    at_ = "2026-01-01T00:00:00Z"
    running = {"status": "running", "owner": "w", "attempt": 1, "mark": "m", "size": 1, "history": []}
    finish = transitions.finish("a", "w", 1, DONE, Usage(calls=1), at_)
    once = finish({"a": running})
    assert finish(once) == once


def test_a_worker_takes_up_what_the_manifest_says_is_its_own():
    """I6: a claim whose verdict it could never learn is found and held, under a new attempt."""

    async def law() -> None:
        store = MemoryStore()
        await planned(store, 2)
        async with at(store, "w") as (manifest, worker):
            change = transitions.claim("w", 1, (), (), "2026-01-01T00:00:00Z")
            await manifest.register(0).commit(change)  # landed, and the worker was not told
            await worker.survey()
            claims = await worker.claim(5)
            assert sorted((claim.document, claim.attempt) for claim in claims) == [("doc-0", 2), ("doc-1", 1)]

    virtually(law())
