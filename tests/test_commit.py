"""The laws of a register: what `counterfoil.commit` promises, under every fault a store can have."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable

import pytest
from tests.faults import Fault, FaultyStore
from tests.virtual import virtual_clock, virtually

from counterfoil.commit import KEPT_VERSIONS, Record, Records, Register
from counterfoil.errors import CommitUncertain, ManifestCorrupt, Refused, SetupError, Unavailable
from counterfoil.store_memory import MemoryStore

KEY = "register.json"


def bump(record: Record | None) -> Record:
    """Adds one: a change that shows if it took effect twice or not at all."""
    return {"n": (record or {"n": 0})["n"] + 1}


def scripted(faults: Iterable[Fault | None]) -> Callable[[str, str], Fault | None]:
    """The given faults, one a write, then none."""
    left = iter(faults)
    return lambda op, key: next(left, None)


async def value(store: FaultyStore, record: str = "a") -> int:
    state = await Register(store, KEY, "reader", virtual_clock()).read()
    return state.records.get(record, {"n": 0})["n"]


def test_an_acknowledged_change_is_in_every_later_read():
    """I1: after `update` returns, whoever reads sees the change."""

    async def law() -> None:
        store = FaultyStore(MemoryStore())
        writer = Register(store, KEY, "w", virtual_clock())
        for n in range(1, 20):
            await writer.update("a", bump)
            assert await value(store) == n

    virtually(law())


def test_changes_that_come_while_a_write_is_in_flight_go_out_as_one():
    """Group commit: a hundred changes cost two writes, not a hundred."""

    async def law() -> None:
        store = FaultyStore(MemoryStore(), latency=0.06)
        writer = Register(store, KEY, "w", virtual_clock())
        first = asyncio.create_task(writer.update("a", bump))
        await asyncio.sleep(0.1)
        await asyncio.gather(first, *(writer.update("a", bump) for _ in range(100)))
        assert await value(store) == 101
        assert len(store.versions(KEY)) == 2

    virtually(law())


def test_no_update_is_lost_between_writers_that_race():
    """Ten writers, twenty increments each, on a store with latency: two hundred."""

    async def law() -> None:
        store = FaultyStore(MemoryStore(), latency=0.05)

        async def writer(number: int) -> None:
            register = Register(store, KEY, f"w{number}", virtual_clock(number))
            for _ in range(20):
                await register.update("a", bump)

        await asyncio.gather(*map(writer, range(10)))
        assert await value(store) == 200

    virtually(law())


@pytest.mark.parametrize("fault", ["unsent", "lost", "lied", "refused", "late"])
def test_a_change_takes_effect_once_whatever_became_of_its_write(fault: Fault):
    """I4: each fault on the first, the second and both of the first two writes leaves exactly one effect a change."""

    async def law(pattern: list[Fault | None]) -> None:
        store = FaultyStore(MemoryStore())
        store.fault = scripted(pattern)
        writer = Register(store, KEY, "w", virtual_clock())
        await writer.update("a", bump)
        await writer.update("a", bump)
        await asyncio.sleep(5)  # late originals have landed by now, or never will
        assert await value(store) == 2

    for pattern in ([fault], [None, fault], [fault, fault], [fault, None, fault, fault]):
        virtually(law(pattern))


def test_our_own_commit_is_recognised_after_others_have_committed_over_it():
    """I4: the reply is lost, a rival commits next, and the loser of the reply still counts once."""

    async def law() -> None:
        store = FaultyStore(MemoryStore())
        ours, rival = (Register(store, KEY, name, virtual_clock()) for name in ("ours", "rival"))
        await rival.update("a", bump)

        def lose_ours_and_let_the_rival_in(op: str, key: str) -> Fault | None:
            store.fault = lambda op, key: None
            rivals.append(asyncio.create_task(rival.update("a", bump)))
            return "lost"

        rivals: list[asyncio.Task[Record]] = []
        store.fault = lose_ours_and_let_the_rival_in
        await ours.update("a", bump)
        await asyncio.gather(*rivals)
        assert await value(store) == 3

    virtually(law())


def test_every_fault_in_any_order_between_many_writers_loses_and_doubles_nothing():
    """I1, I4, I5 over two hundred seeded storms: every acknowledged increment counts once, versions grow by one."""

    async def storm(seed: int) -> None:
        chance = random.Random(seed)
        store = FaultyStore(MemoryStore(), latency=0.03, delay=chance.choice([0.01, 0.1, 1.0]))
        kinds: list[Fault | None] = ["unsent", "lost", "lied", "refused", "late", None, None, None]
        store.fault = lambda op, key: chance.choice(kinds)

        async def writer(number: int) -> int:
            register = Register(store, KEY, f"w{number}", virtual_clock(seed * 100 + number))
            outcomes = await asyncio.gather(*(register.update("a", bump) for _ in range(chance.randint(1, 6))))
            return len(outcomes)

        acknowledged = sum(await asyncio.gather(*map(writer, range(4))))
        await asyncio.sleep(10)
        store.fault = lambda op, key: None
        assert await value(store) == acknowledged, f"seed {seed}"
        versions = [body["version"] for body in store.versions(KEY)]
        assert versions == list(range(1, len(versions) + 1)), f"seed {seed}"

    for seed in range(200):
        virtually(storm(seed))


def test_a_refused_change_fails_its_own_caller_only():
    """The others of the same commit land."""

    def refuse(records: Records) -> Records:
        raise Refused("not today")

    async def law() -> None:
        store = FaultyStore(MemoryStore())
        writer = Register(store, KEY, "w", virtual_clock())
        outcomes = await asyncio.gather(
            writer.update("a", bump), writer.commit(refuse), writer.update("b", bump), return_exceptions=True
        )
        assert isinstance(outcomes[1], Refused)
        assert (await value(store, "a"), await value(store, "b")) == (1, 1)
        assert len(store.versions(KEY)) == 1

    virtually(law())


def test_a_change_whose_function_fails_costs_nobody_else_anything():
    """A defect in a caller's function is that caller's exception."""

    async def law() -> None:
        store = FaultyStore(MemoryStore())
        writer = Register(store, KEY, "w", virtual_clock())
        outcomes = await asyncio.gather(
            writer.update("a", lambda record: {"n": 1 // 0}), writer.update("b", bump), return_exceptions=True
        )
        assert isinstance(outcomes[0], ZeroDivisionError)
        assert await value(store, "b") == 1

    virtually(law())


def test_a_change_that_changes_nothing_writes_nothing():
    """An idle register never writes; that nothing had to change is read afresh."""

    async def law() -> None:
        store = FaultyStore(MemoryStore())
        writer = Register(store, KEY, "w", virtual_clock())
        await writer.update("a", lambda record: {"n": 7})
        await writer.update("a", lambda record: {"n": 7})
        assert len(store.versions(KEY)) == 1

    virtually(law())


def test_a_refusal_is_judged_on_the_register_as_it_is_not_as_it_was():
    """A rival has made the change possible meanwhile: stale knowledge must not refuse it."""

    def needs_rival(record: Record | None) -> Record:
        if record is None:
            raise Refused("the rival has not been here")
        return {"n": record["n"] + 1}

    async def law() -> None:
        store = FaultyStore(MemoryStore())
        ours, rival = (Register(store, KEY, name, virtual_clock()) for name in ("ours", "rival"))
        await ours.update("b", bump)
        await rival.update("a", bump)
        assert (await ours.update("a", needs_rival))["n"] == 2

    virtually(law())


def test_a_cancelled_caller_waits_for_the_verdict_of_a_write_in_flight():
    """I10: after the cancellation is raised, the register shows the change: it was in flight, and landed."""

    async def law() -> None:
        store = FaultyStore(MemoryStore(), latency=0.06)
        writer = Register(store, KEY, "w", virtual_clock())
        landed: list[Records] = []
        task = asyncio.create_task(writer.commit(lambda records: {"a": {"n": 1}}, landed.append))
        await asyncio.sleep(0.08)  # the read is done, the write is under way
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert landed == [{"a": {"n": 1}}]
        assert await value(store) == 1

    virtually(law())


def test_a_cancelled_change_that_has_not_gone_out_is_withdrawn():
    """I10: it leaves no trace, and the others of its queue land."""

    async def law() -> None:
        store = FaultyStore(MemoryStore(), latency=0.06)
        writer = Register(store, KEY, "w", virtual_clock())
        first = asyncio.create_task(writer.update("a", bump))
        await asyncio.sleep(0.08)
        queued, other = asyncio.create_task(writer.update("b", bump)), asyncio.create_task(writer.update("c", bump))
        await asyncio.sleep(0)
        queued.cancel()
        await asyncio.wait([first, queued, other])
        assert queued.cancelled()
        assert (await value(store, "b"), await value(store, "c")) == (0, 1)

    virtually(law())


def test_cancellation_at_any_moment_acknowledges_nothing_falsely():
    """I10 at every moment of a faulty commit: an answer means a durable change, and a change counts at most once."""

    async def law(moment: int, fault: Fault) -> None:
        store = FaultyStore(MemoryStore(), latency=0.02)
        store.fault = scripted([fault])
        writer = Register(store, KEY, "w", virtual_clock())
        task = asyncio.create_task(writer.update("a", bump))
        await asyncio.sleep(moment / 1000)
        task.cancel()
        outcome = (await asyncio.gather(task, return_exceptions=True))[0]
        await writer.close()
        await asyncio.sleep(5)
        count = await value(store)
        assert count <= 1
        assert isinstance(outcome, asyncio.CancelledError) or count == 1

    for fault in ("lost", "lied", "late", "unsent"):
        for moment in range(0, 150, 3):
            virtually(law(moment, fault))


def test_a_zombie_whose_entry_was_pruned_is_told_instead_of_guessing():
    """I4: a writer that slept through more commits than are remembered gets `CommitUncertain`, and nothing doubles."""

    async def law() -> None:
        store = FaultyStore(MemoryStore())
        zombie, rival = (Register(store, KEY, name, virtual_clock()) for name in ("zombie", "rival"))
        await rival.update("b", bump)

        def lose(op: str, key: str) -> Fault | None:
            store.fault = lambda op, key: None
            asleep.set()
            return "lost"

        async def sleepy_get(key: str):
            if asleep.is_set() and asyncio.current_task() is zombies_commit():
                for _ in range(KEPT_VERSIONS + 1):
                    await rival.update("b", bump)
                asleep.clear()
            return await plain_get(key)

        def zombies_commit() -> asyncio.Task[None] | None:
            return zombie._drain

        asleep = asyncio.Event()
        plain_get, store.get = store.get, sleepy_get
        store.fault = lose
        with pytest.raises(CommitUncertain):
            await zombie.update("a", bump)
        assert await value(store) == 1
        await zombie.update("a", bump)
        assert await value(store) == 2

    virtually(law())


def test_the_memory_of_dead_writers_is_bounded():
    """A thousand writers that came and went leave no more entries than are remembered."""

    async def law() -> None:
        store = FaultyStore(MemoryStore())
        for number in range(KEPT_VERSIONS * 2):
            await Register(store, KEY, f"w{number}", virtual_clock()).update("a", bump)
        state = await Register(store, KEY, "reader", virtual_clock()).read()
        assert state.records["a"]["n"] == KEPT_VERSIONS * 2
        assert len(state.commits) <= KEPT_VERSIONS

    virtually(law())


def test_a_store_that_stays_away_is_unavailable_after_patience_and_can_come_back():
    """The callers are told after `patience`; a later change starts anew and nothing has doubled."""

    async def law() -> None:
        store = FaultyStore(MemoryStore())
        store.fault = lambda op, key: "unsent"
        writer = Register(store, KEY, "w", virtual_clock(), patience=30)
        with pytest.raises(Unavailable):
            await writer.update("a", bump)
        store.fault = lambda op, key: None
        await writer.update("a", bump)
        assert await value(store) == 1

    virtually(law())


def test_a_set_up_error_is_told_at_once_and_to_everybody_waiting():
    """No rights to write: no endless retry."""

    async def law() -> None:
        store = FaultyStore(MemoryStore())

        def denied(op: str, key: str) -> Fault | None:
            raise SetupError("access denied")

        store.fault = denied
        writer = Register(store, KEY, "w", virtual_clock())
        outcomes = await asyncio.gather(*(writer.update(k, bump) for k in "abc"), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [SetupError] * 3

    virtually(law())


def test_writes_of_one_register_keep_the_gap_that_its_store_asks_for():
    """A store that allows one write a second an object gets no more."""

    async def law() -> None:
        store = FaultyStore(MemoryStore())
        store.commit_gap = 1.0
        writer = Register(store, KEY, "w", virtual_clock())
        began = asyncio.get_running_loop().time()
        for _ in range(5):
            await writer.update("a", bump)
        assert asyncio.get_running_loop().time() - began >= 4.0

    virtually(law())


@pytest.mark.parametrize(
    "body", [b"", b"not json", b"[]", b'{"version": 0}', b'{"version": 3, "commits": {}, "pruned": 0, "records": []}']
)
def test_a_damaged_file_is_named_and_never_overwritten(body: bytes):
    """A register that is not ours to understand is left as it is."""

    async def law() -> None:
        plain = MemoryStore()
        await plain.put(KEY, body)
        writer = Register(FaultyStore(plain), KEY, "w", virtual_clock())
        with pytest.raises(ManifestCorrupt, match=KEY):
            await writer.update("a", bump)
        found = await plain.get(KEY)
        assert found is not None
        assert found.body == body

    virtually(law())


def test_a_register_that_goes_back_in_time_is_reported():
    """Somebody restored an old copy under a live writer: that can't be mended silently."""

    async def law() -> None:
        plain = MemoryStore()
        writer = Register(plain, KEY, "w", virtual_clock())
        await writer.update("a", bump)
        old = await plain.get(KEY)
        assert old is not None
        await writer.update("a", bump)
        await plain.put(KEY, old.body)
        with pytest.raises(ManifestCorrupt, match="went back"):
            await writer.read()

    virtually(law())
