"""A register and a manifest beside a plain dict, through any sequence of updates, races, faults and cancellations.

Whatever Hypothesis does to them, every reader sees what the dict says, and the version grows by one with each write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from tests.faults import Fault, FaultyStore
from tests.virtual import VirtualLoop, virtual_clock

from counterfoil.commit import Record, Register
from counterfoil.errors import Refused
from counterfoil.manifest import Manifest, shard_key
from counterfoil.store_memory import MemoryStore

IDS = st.sampled_from(["a", "b", "c", "d", "e"])
WRITERS = st.integers(0, 2)
FAULTS = st.lists(st.sampled_from(["unsent", "lost", "lied", "refused", "late", None]), max_size=6)
STEPS = st.lists(st.tuples(WRITERS, IDS), min_size=1, max_size=8)


def bump(record: Record | None) -> Record:
    """Adds one: a change that shows if it took effect twice or not at all."""
    return {"n": (record or {"n": 0})["n"] + 1}


class Shared(RuleBasedStateMachine):
    """Three writers on one store. What they share and how they change it is for the two machines below."""

    shards = 1
    compared = 0
    """Records that were held against the dict, over all sequences."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.plain: dict[str, int] = {}
        self.store = FaultyStore(MemoryStore(), latency=0.02, delay=0.3)
        self.faults: list[Fault | None] = []
        self.store.fault = lambda op, key: self.faults.pop(0) if self.faults else None
        self.names = 0
        self.writers = [self.do(self.join()) for _ in range(3)]

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def name(self) -> str:
        self.names += 1
        return f"w{self.names}"

    async def join(self) -> Any:
        raise NotImplementedError

    async def leave(self, writer: Any) -> None:
        raise NotImplementedError

    async def update(self, writer: int, record: str, change: Any) -> Any:
        raise NotImplementedError

    async def read(self) -> dict[str, Record]:
        raise NotImplementedError

    @rule(faults=FAULTS)
    def trouble(self, faults: list[Fault | None]) -> None:
        """These befall the next writes, one each."""
        self.faults = list(faults)

    @rule(steps=STEPS)
    def race(self, steps: list[tuple[int, str]]) -> None:
        """All at once, from any writers: every one counts, and each is told a number of its own."""

        async def run() -> list[Record]:
            return await asyncio.gather(*(self.update(writer, record, bump) for writer, record in steps))

        told = self.do(run())
        for record in {record for _, record in steps}:
            numbers = sorted(t["n"] for t, (_, r) in zip(told, steps, strict=True) if r == record)
            before = self.plain.get(record, 0)
            assert numbers == list(range(before + 1, before + 1 + len(numbers)))
            self.plain[record] = before + len(numbers)

    @rule(writer=WRITERS, record=IDS, others=STEPS, delay=st.floats(0, 0.2))
    def cancel(self, writer: int, record: str, others: list[tuple[int, str]], delay: float) -> None:
        """One of them is cancelled at any moment: it counts once or not at all, and the others as ever."""

        async def run() -> bool:
            one = asyncio.create_task(self.update(writer, record, bump))
            rest = [asyncio.create_task(self.update(w, r, bump)) for w, r in others]
            await asyncio.sleep(delay)
            one.cancel()
            await asyncio.gather(*rest)
            await asyncio.wait([one])
            return not one.cancelled()

        acknowledged = self.do(run())
        for _, other in others:
            self.plain[other] = self.plain.get(other, 0) + 1
        extra = self.do(self.read()).get(record, {"n": 0})["n"] - self.plain.get(record, 0)
        assert extra == 1 if acknowledged else extra in (0, 1)
        if extra:
            self.plain[record] = self.plain.get(record, 0) + 1

    @rule(writer=WRITERS, record=IDS)
    def refuse(self, writer: int, record: str) -> None:
        """A refusal is for the one who asked, and leaves nothing."""

        def change(known: Record | None) -> Record:
            raise Refused("not this one")

        with pytest.raises(Refused):
            self.do(self.update(writer, record, change))

    @rule(writer=WRITERS)
    def restart(self, writer: int) -> None:
        """A process ends, another begins."""
        self.do(self.leave(self.writers[writer]))
        self.writers[writer] = self.do(self.join())

    @rule(seconds=st.floats(0, 2))
    def wait(self, seconds: float) -> None:
        """Late originals land, or are refused."""
        self.do(asyncio.sleep(seconds))

    @invariant()
    def every_reader_sees_what_the_dict_says(self) -> None:
        seen = {record: content["n"] for record, content in self.do(self.read()).items()}
        assert seen == self.plain
        type(self).compared += len(seen)

    @invariant()
    def versions_grow_by_one(self) -> None:
        for shard in range(self.shards):
            versions = [body["version"] for body in self.store.versions(shard_key(shard))]
            assert versions == list(range(1, len(versions) + 1))

    def teardown(self) -> None:
        for writer in self.writers:
            self.do(self.leave(writer))
        self.loop.close()


class RegisterMachine(Shared):
    """One register."""

    async def join(self) -> Register:
        name = self.name()
        return Register(self.store, shard_key(0), name, virtual_clock(self.names))

    async def leave(self, writer: Register) -> None:
        await writer.close()

    async def update(self, writer: int, record: str, change: Any) -> Record:
        return await self.writers[writer].update(record, change)

    async def read(self) -> dict[str, Record]:
        state = await Register(self.store, shard_key(0), "reader", virtual_clock()).read()
        return dict(state.records)


class ManifestMachine(Shared):
    """A manifest of three shards, opened by each writer for itself, and read by a stranger."""

    shards = 3

    async def join(self) -> Any:
        opening = Manifest.open(self.store, shards=3, clock=virtual_clock(self.names), writer=self.name())
        return opening, await opening.__aenter__()

    async def leave(self, writer: Any) -> None:
        await writer[0].__aexit__(None, None, None)

    async def update(self, writer: int, record: str, change: Any) -> Record:
        return await self.writers[writer][1].update(record, change)

    async def read(self) -> dict[str, Record]:
        manifest = await Manifest.read(self.store, clock=virtual_clock())
        return {name: record async for name, record in manifest.records()}


@pytest.mark.parametrize("machine", [RegisterMachine, ManifestMachine])
def test_what_is_shared_is_a_dict_whatever_happens_to_its_writes(machine: type[Shared]):
    """Fifty sequences of up to thirty steps, the same in every `make test`."""
    checks = settings(
        max_examples=50,
        stateful_step_count=30,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=checks)
    assert machine.compared > 1000, "the sequences wrote next to nothing, so that they prove nothing"
