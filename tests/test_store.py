"""The contract of a store: every law here holds for a folder, for memory, and for a real S3 server over HTTP."""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests import servers
from tests.virtual import virtual_clock, virtually

from counterfoil.clock import Clock
from counterfoil.errors import Conflict, SetupError, Unavailable
from counterfoil.locations import open_store
from counterfoil.manifest import Manifest
from counterfoil.store import Entry, Store, probe, retried
from counterfoil.store_memory import MemoryStore

STALE = '"0123456789abcdef0123456789abcdef"|'
ODD_NAMES = [
    "with space", " led by one", "ünïcode-✓", "e\u0301 decomposed", "100%", "a%20b", "%C3%A9", "a+b", "a#b", "a?b&c=d",
    "q'uo\"te", "-dash", "~", "*", "[x]", "{y}|^`", "back\\slash", "<tag>", "a.b..c", "n" * 250, "ü" * 125,
]  # fmt: skip


@dataclass(frozen=True)
class Place:
    """Where a store is, and the variables that lead there: a process of its own can open it, too."""

    location: str
    environ: Mapping[str, str] = field(default_factory=dict)

    def open(self) -> Store:
        return open_store(self.location, self.environ)


@pytest.fixture(params=["folder", "s3"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A place that several processes can open."""
    if request.param == "folder":
        return Place(str(tmp_path / "out"))
    bucket, s3 = request.getfixturevalue("bucket"), request.getfixturevalue("s3")
    return Place(f"s3://{bucket}/some/prefix", s3)


@pytest.fixture(params=["folder", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "memory":
        return MemoryStore()
    if request.param == "folder":
        return open_store(str(tmp_path / "out"))
    return open_store(f"s3://{request.getfixturevalue('bucket')}/some/prefix", request.getfixturevalue("s3"))


async def listed(store: Store, prefix: str = "") -> dict[str, Entry]:
    entries = [entry async for entry in store.list(prefix)]
    assert len({entry.key for entry in entries}) == len(entries)
    return {entry.key: entry for entry in entries}


async def body_of(store: Store, key: str) -> bytes | None:
    found = await store.get(key)
    return None if found is None else found.body


async def wins(writes: list[Awaitable[str]]) -> int:
    """How many of these writes were accepted; the others must have been refused."""
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} <= {str, Conflict}
    return sum(isinstance(outcome, str) for outcome in outcomes)


async def test_a_missing_key_is_none(store: Store):
    """Also below a name that is an object's, and in a store that nothing was ever written to."""
    assert await store.get("a/b") is None
    await store.put_new("a", b"1")
    assert (await store.get("b"), await store.get("a/b")) == (None, None)


async def test_create_only_refuses_an_existing_key(store: Store):
    """Whatever wrote it; and the body that was there stays."""
    await store.put_new("a/key", b"first")
    await store.put("other", b"first")
    for key in ("a/key", "other"):
        with pytest.raises(Conflict):
            await store.put_new(key, b"second")
        assert await body_of(store, key) == b"first"


async def test_compare_and_swap_refuses_a_stale_tag(store: Store):
    """A tag that was once right, and one that never was."""
    first = await store.put_new("key", b"1")
    await store.put_if("key", b"2", first)
    for tag in (first, STALE):
        with pytest.raises(Conflict):
            await store.put_if("key", b"3", tag)
    assert await body_of(store, "key") == b"2"


async def test_compare_and_swap_refuses_a_missing_key(store: Store):
    """One that never was, with and without its folder, and one that was deleted: nothing comes to be."""
    tag = await store.put_new("key", b"1")
    await store.delete("key")
    for key in ("key", "never", "no/such/folder"):
        with pytest.raises(Conflict):
            await store.put_if(key, b"2", tag)
    assert await listed(store) == {}


async def test_the_tag_of_a_write_is_what_a_read_shows_and_the_next_write_takes(store: Store):
    """So a writer need not read what it wrote."""
    tag = await store.put_new("key", b"0")
    for n in range(1, 4):
        found = await store.get("key")
        assert found is not None and found.tag == tag
        tag = await store.put_if("key", b"%d" % n, tag)
    assert await body_of(store, "key") == b"3"


async def test_a_plain_write_changes_the_tag(store: Store):
    """Whoever read before it must read again."""
    tag = await store.put_new("key", b"1")
    await store.put("key", b"2")
    with pytest.raises(Conflict):
        await store.put_if("key", b"3", tag)
    assert await body_of(store, "key") == b"2"


async def test_deleting_what_is_not_there_is_no_error(store: Store):
    """Twice, never written, or below an object's name."""
    await store.put_new("key", b"1")
    for key in ("key", "key", "never", "no/such/folder"):
        await store.delete(key)
    await store.put_new("key", b"1")
    await store.delete("key/below")
    assert list(await listed(store)) == ["key"]


async def test_a_listing_gives_every_key_under_its_prefix_and_no_other(store: Store):
    """A prefix is a folder's name: "a" is not the beginning of "ab"."""
    for key in ("a/1", "a/deep/er/2", "ab/3", "a-4", "5"):
        await store.put_new(key, key.encode())
    everything = await listed(store)
    assert {key: entry.size for key, entry in everything.items()} == {
        "a/1": 3, "a/deep/er/2": 11, "ab/3": 4, "a-4": 3, "5": 1,
    }  # fmt: skip
    assert set(await listed(store, "a")) == {"a/1", "a/deep/er/2"}
    assert set(await listed(store, "a/deep")) == {"a/deep/er/2"}
    assert await listed(store, "b") == {}


async def test_a_look_at_a_key_shows_what_a_listing_shows(store: Store):
    """The same mark and size; None for what is missing and for a folder's name."""
    await store.put_new("a/b c", b"four")
    assert [await store.look("a/b c")] == list((await listed(store)).values())
    assert [await store.look(key) for key in ("a", "b", "a/b c/d", "no/such")] == [None] * 4


async def test_a_mark_changes_with_every_rewrite_and_only_then(store: Store):
    """Also when bodies of one size follow each other faster than the clock of a file system ticks."""
    tag = await store.put_new("key", b"0")
    marks = [(await listed(store))["key"].mark]
    for n in range(1, 20):
        tag = await store.put_if("key", b"%d" % (n % 10), tag)
        marks.append((await listed(store))["key"].mark)
    for n in range(4):
        await store.put("key", b"%d" % n)
        marks.append((await listed(store))["key"].mark)
    assert all(mark != following for mark, following in itertools.pairwise(marks))
    assert (await listed(store))["key"].mark == marks[-1]


@pytest.mark.parametrize("name", ODD_NAMES)
async def test_odd_names_are_kept_as_they_are(store: Store, name: str):
    """What is listed is the key that was given, and can be read, replaced and deleted by it."""
    await store.put_new(f"in/{name}", b"1")
    (key,) = await listed(store)
    found = await store.get(key)
    assert (key, found and found.body) == (f"in/{name}", b"1")
    assert found is not None
    await store.put_if(key, b"2", found.tag)
    await store.put(key, b"3")
    assert await body_of(store, key) == b"3"
    await store.delete(key)
    assert await listed(store) == {}


async def test_names_that_differ_by_their_escapes_are_different_objects(store: Store):
    """Nothing is decoded or folded on the way."""
    names = ["a b", "a%20b", "a+b", "a%2520b", "A b"]
    for name in names:
        await store.put_new(name, name.encode())
    assert {name: await body_of(store, name) for name in await listed(store)} == {n: n.encode() for n in names}


async def test_a_listing_of_1500_keys_is_complete(store: Store):
    """More than one page of any of them."""
    for start in range(0, 1500, 100):
        await asyncio.gather(*(store.put(f"many/{n:04d}", b"x") for n in range(start, start + 100)))
    assert sorted(await listed(store, "many")) == [f"many/{n:04d}" for n in range(1500)]


async def test_a_body_may_be_empty_or_large(store: Store):
    """An empty object is listed and read like any other."""
    large = os.urandom(1_000_000) * 8
    await store.put_new("empty", b"")
    await store.put_new("large", large)
    assert (await body_of(store, "empty"), await body_of(store, "large")) == (b"", large)
    assert {entry.size for entry in (await listed(store)).values()} == {0, 8_000_000}


async def test_of_fifty_creations_of_one_key_exactly_one_wins(store: Store):
    """And its body is the one that stays."""
    assert await wins([store.put_new("key", b"%d" % n) for n in range(50)]) == 1


async def test_of_fifty_swaps_of_one_tag_exactly_one_wins(store: Store):
    """The other 49 are told so."""
    tag = await store.put_new("key", b"")
    assert await wins([store.put_if("key", b"%d" % n, tag) for n in range(50)]) == 1


# --- several processes

RACER = """
import asyncio, sys
from counterfoil.errors import Conflict
from counterfoil.locations import open_store
from counterfoil.manifest import Manifest

async def swap(store):
    while True:
        found = await store.get("n")
        try:
            return await store.put_if("n", b"%d" % (int(found.body) + 1), found.tag)
        except Conflict:
            pass

async def swaps(location, times):
    store = open_store(location)
    start()
    for _ in range(times):
        await swap(store)

def bump(record):
    return {"n": (record or {"n": 0})["n"] + 1}

async def updates(location, times):
    async with Manifest.open(location) as manifest:
        start()
        await asyncio.gather(*(manifest.update("one", bump) for _ in range(times // 5)))
        for _ in range(times - times // 5):
            await manifest.update("one", bump)

def start():
    print("ready", flush=True)
    sys.stdin.readline()

asyncio.run({"swaps": swaps, "updates": updates}[sys.argv[1]](sys.argv[2], int(sys.argv[3])))
"""


def race(place: Place, what: str, processes: int, times: int) -> None:
    """So many processes at once, each waiting until all are ready."""
    command = [sys.executable, "-c", RACER, what, place.location, str(times)]
    environ = {**os.environ, **place.environ}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environ}
    racers = [subprocess.Popen(command, **pipes) for _ in range(processes)]
    try:
        assert [racer.stdout.readline() for racer in racers] == ["ready\n"] * processes
        for racer in racers:
            racer.stdin.write("go\n")
            racer.stdin.flush()
        assert [racer.wait(timeout=60) for racer in racers] == [0] * processes
    finally:
        for racer in racers:
            racer.kill()
            racer.communicate()


def test_two_processes_that_swap_one_key_lose_no_increment(shared: Place):
    """2 x 100 increments by read and compare-and-swap make 200: the promise that everything else stands on."""
    asyncio.run(shared.open().put_new("n", b"0"))
    race(shared, "swaps", 2, 100)
    assert asyncio.run(body_of(shared.open(), "n")) == b"200"


def test_four_processes_that_update_one_record_lose_no_update(shared: Place):
    """4 x 25 increments through the manifest make 100, whichever comes first to create it."""
    race(shared, "updates", 4, 25)

    async def total() -> int:
        manifest = await Manifest.read(shared.open())
        record = await manifest.get("one")
        assert record is not None
        return record["n"]

    assert asyncio.run(total()) == 100


# --- the probe


async def test_the_probe_accepts_a_store_that_keeps_its_conditions(store: Store):
    """And leaves the object that it tried on as it was."""
    tag = await store.put_new("header", b"{}")
    await probe(store, "header", b"{}", Clock())
    found = await store.get("header")
    assert found is not None and (found.body, found.tag) == (b"{}", tag)


async def test_the_probe_refuses_a_server_that_ignores_if_match(careless_server: str):
    """The sentence names the store and the promise it does not keep; the manifest can't be opened there."""
    servers.make_bucket(careless_server, "careless")
    environ = servers.KEYS | {"AWS_ENDPOINT_URL": careless_server}
    store = open_store("s3://careless/out", environ)
    with pytest.raises(SetupError, match=r"s3://careless/out ignores the condition of .*\(If-Match\)"):
        async with Manifest.open(store):
            raise AssertionError("it was opened")


class Forgetful(MemoryStore):
    """A store that takes a create-only write for a plain one."""

    async def put_new(self, key: str, body: bytes) -> str:
        return self._write(key, body)


async def test_the_probe_refuses_a_store_that_ignores_create_only():
    """Results would be overwritten there."""
    store = Forgetful("mem://forgetful")
    await store.put("header", b"{}")
    with pytest.raises(SetupError, match=r"mem://forgetful ignores the condition of .*\(If-None-Match: \*\)"):
        await probe(store, "header", b"{}", Clock())


# --- trying again


def patient_clock() -> tuple[Clock, list[float]]:
    """A clock whose sleeps take no time but are on its face, and what was slept."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    return Clock(lambda: sum(slept), sleep, random=lambda: 1.0), slept


def failing(*errors: Exception) -> Callable[[], Awaitable[str]]:
    left = list(errors)

    async def operation() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return operation


async def test_only_what_may_pass_is_tried_again():
    """A refusal, or what a person must mend, is known at once."""
    clock, slept = patient_clock()
    assert await retried(clock, failing(Unavailable("a"), Unavailable("b"))) == "done"
    assert slept == [0.05, 0.1]
    for error in (Conflict("no"), SetupError("no")):
        with pytest.raises(type(error)):
            await retried(clock, failing(error))
    assert len(slept) == 2


async def test_patience_counts_from_the_first_failure_not_from_the_start():
    """A listing that took ten minutes before it broke off is begun again."""

    async def law() -> None:
        clock = virtual_clock()
        outcomes = iter([Unavailable("broke off"), None])

        async def slow() -> str:
            await clock.sleep(600)
            outcome = next(outcomes)
            if outcome:
                raise outcome
            return "done"

        assert await retried(clock, slow, patience=60.0) == "done"

    await asyncio.to_thread(virtually, law())


async def test_patience_ends():
    """After so many seconds the last error is raised."""
    clock, slept = patient_clock()
    with pytest.raises(Unavailable, match="never"):
        await retried(clock, failing(*[Unavailable("never")] * 1000), patience=60.0)
    assert 60 < sum(slept) < 66
