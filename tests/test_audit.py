"""`verify` finds what must not be: each way of damaging an OUT is named by the invariant that it breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from tests.batch import Process, answer_for, invoice_pdf
from tests.virtual import virtual_clock, virtually

from counterfoil.audit import Breach, audit
from counterfoil.errors import Unavailable
from counterfoil.jsonfile import Json, decode, encode
from counterfoil.locations import open_store
from counterfoil.model import ScriptedModel
from counterfoil.store import Entry
from counterfoil.store_memory import MemoryStore

SHARD = "manifest/0000.json"
OUT = "memory://audited"


async def finished() -> MemoryStore:
    """An OUT with two finished documents and a failed one."""
    store = open_store(OUT)
    assert isinstance(store, MemoryStore)
    store.__init__(store.url)
    source = MemoryStore()
    await source.put("a.pdf", invoice_pdf("A"))
    await source.put("b.pdf", invoice_pdf("B"))
    await source.put("c.pdf", b"")
    await Process(store, source, ScriptedModel(answer_for)).task
    return store


class Stumbling(MemoryStore):
    """Every listing breaks off after its first entry, the first time it is asked for."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store.url)
        self.__dict__.update(store.__dict__)
        self._listed: set[str] = set()

    async def list(self, prefix: str = "") -> AsyncIterator[Entry]:
        async for entry in super().list(prefix):
            yield entry
            if prefix not in self._listed:
                self._listed.add(prefix)
                raise Unavailable("reset in the middle of the reply")


def test_a_listing_that_breaks_off_is_begun_again_and_nothing_counts_twice():
    """An audit of a large OUT is long; one lost reply is no reason to end it."""

    async def story() -> None:
        store = await finished()
        await store.put("results/00/left.json", b"{}")
        report = await audit(Stumbling(store), virtual_clock())
        assert (report.documents, report.results, report.unreferenced, report.breaches) == (3, 2, 1, [])

    virtually(story())


def breaches_after(damage: Callable[[Json], None]) -> list[Breach]:
    """What `verify` finds once the shard has been edited by `damage`."""

    async def story() -> list[Breach]:
        store = await finished()
        found = await store.get(SHARD)
        assert found is not None
        shard = decode(found.body, SHARD)
        damage(shard)
        await store.put(SHARD, encode(shard))
        return (await audit(OUT)).breaches

    return virtually(story())


def test_an_honest_manifest_has_no_breach():
    """And the counts are those of the records."""

    async def law() -> None:
        await finished()
        report = await audit(OUT)
        assert report.breaches == []
        assert (report.documents, report.results, report.statuses["failed"]) == (3, 2, 1)

    virtually(law())


def second_finish(shard: Json) -> None:
    history = shard["records"]["a.pdf"]["history"]
    history.append(history[-1])


def finish_by_another(shard: Json) -> None:
    shard["records"]["a.pdf"]["history"][-1]["by"] = "somebody-else"


def status_without_history(shard: Json) -> None:
    shard["records"]["a.pdf"]["status"] = "pending"


def skipped_attempt(shard: Json) -> None:
    shard["records"]["a.pdf"]["history"][1]["attempt"] = 2
    shard["records"]["a.pdf"]["history"][2]["attempt"] = 2
    shard["records"]["a.pdf"]["attempt"] = 2


def stolen_claim(shard: Json) -> None:
    history: list[Any] = shard["records"]["a.pdf"]["history"]
    history.insert(2, {"at": "2026-01-01T00:00:00Z", "event": "claimed", "by": "thief", "attempt": 2})
    history[3] |= {"by": "thief", "attempt": 2}
    shard["records"]["a.pdf"]["attempt"] = 2


@pytest.mark.parametrize(
    "damage", [second_finish, finish_by_another, status_without_history, skipped_attempt, stolen_claim]
)
def test_a_history_that_can_not_have_been_is_a_breach_of_i2(damage: Callable[[Json], None]):
    """Two finishes, somebody else's finish, a status from nowhere, a missing attempt, a claim of a held document."""
    assert ("I2", "a.pdf") in {(b.invariant, b.where) for b in breaches_after(damage)}


def future_commit(shard: Json) -> None:
    shard["commits"]["ghost"] = {"n": 1, "at": shard["version"] + 1}


def shared_version(shard: Json) -> None:
    shard["commits"]["rival"] = {"n": 1, "at": next(iter(shard["commits"].values()))["at"]}


@pytest.mark.parametrize("damage", [future_commit, shared_version])
def test_versions_that_can_not_have_been_are_a_breach_of_i5(damage: Callable[[Json], None]):
    """A commit beyond the version, and two writers that landed as one: a lost update."""
    assert [b.invariant for b in breaches_after(damage)] == ["I5"]


def forgotten_call(shard: Json) -> None:
    shard["records"]["a.pdf"]["calls"] = 0


def cheaper(shard: Json) -> None:
    shard["records"]["a.pdf"]["cost_usd"] = "0.01"


@pytest.mark.parametrize("damage", [forgotten_call, cheaper])
def test_spend_that_its_history_does_not_tell_is_a_breach(damage: Callable[[Json], None]):
    """Calls and money of a record are the sums of its events."""
    assert [b.invariant for b in breaches_after(damage)] == ["I11"]


def other_hash(shard: Json) -> None:
    shard["records"]["a.pdf"]["result_sha256"] = "0" * 64


def no_result(shard: Json) -> None:
    del shard["records"]["a.pdf"]["result"]


def others_result(shard: Json) -> None:
    a, b = shard["records"]["a.pdf"], shard["records"]["b.pdf"]
    a |= {"result": b["result"], "result_sha256": b["result_sha256"]}


@pytest.mark.parametrize("damage", [other_hash, no_result, others_result])
def test_a_finished_record_without_its_own_result_is_a_breach_of_i7(damage: Callable[[Json], None]):
    """A wrong hash, no result, another document's result."""
    assert [(b.invariant, b.where) for b in breaches_after(damage)] == [("I7", "a.pdf")]


def test_a_missing_or_altered_result_object_is_a_breach_of_i7():
    """Deleted, cut short, edited: each is found by reading it."""

    async def law(change: Callable[[MemoryStore, str], Any]) -> None:
        store = await finished()
        key = next(iter([entry.key async for entry in store.list("results")]))
        await change(store, key)
        assert [b.invariant for b in (await audit(OUT)).breaches] == ["I7"]

    virtually(law(lambda store, key: store.delete(key)))
    virtually(law(lambda store, key: store.put(key, b"")))
    virtually(law(lambda store, key: store.put(key, b'{"format": "counterfoil-result/1", "status": "done"}')))


def misplaced(shard: Json) -> None:
    shard["records"]["a.pdf"]["history"] = [{"event": "planned"}]


def no_reason(shard: Json) -> None:
    del shard["records"]["c.pdf"]["reason"]


def unreadable(shard: Json) -> None:
    shard["records"]["a.pdf"]["history"] = 7


@pytest.mark.parametrize("damage", [misplaced, no_reason, unreadable])
def test_a_record_that_counterfoil_does_not_write_is_named_and_ends_nothing(damage: Callable[[Json], None]):
    """The audit goes on to the others, whatever it meets."""
    assert "form" in {b.invariant for b in breaches_after(damage)}


def test_a_shard_that_is_not_json_is_named_and_the_others_are_read():
    """One broken file does not hide the rest."""

    async def law() -> None:
        store = await finished()
        await store.put("manifest/0001.json", b"\x00")
        report = await audit(OUT)
        assert [(b.invariant, b.where) for b in report.breaches] == [("form", "manifest/0001.json")]
        assert report.documents == 3

    virtually(law())


def test_a_record_in_the_wrong_shard_is_named():
    """A reader would look for it elsewhere."""

    async def law() -> None:
        store = await finished()
        found = await store.get(SHARD)
        assert found is not None
        await store.put("manifest/0003.json", found.body)
        assert {b.invariant for b in (await audit(OUT)).breaches} == {"form"}

    virtually(law())


def test_results_that_no_record_names_are_counted_and_no_breach():
    """A retry or a crash leaves such; they cost only their space."""

    async def law() -> None:
        store = await finished()
        await store.put_new("results/00/0000.json", b"{}")
        report = await audit(OUT)
        assert (report.unreferenced, report.breaches) == (1, [])
        assert asyncio.get_running_loop().time() < 60

    virtually(law())


def test_a_shard_that_is_gone_is_a_breach_of_i1_for_each_document_with_a_result():
    """Its records were acknowledged; the results that they named tell that they are missing."""

    async def law() -> None:
        store = await finished()
        await store.delete(SHARD)
        report = await audit(OUT)
        assert {(b.invariant, b.where) for b in report.breaches} == {("I1", "a.pdf"), ("I1", "b.pdf")}

    virtually(law())
