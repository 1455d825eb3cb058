"""The same invoice twice: the first stays as it is, the second goes to review and names it, however they race."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.virtual import virtual_clock, virtually

from counterfoil.duplicates import Duplicate, Duplicates, finding_of, key_of, named, noted, seconds_in
from counterfoil.manifest import Manifest
from counterfoil.results import Results, Stored
from counterfoil.store_memory import MemoryStore

INVOICE = {"doc_type": "invoice", "invoice_number": "N-1", "seller_tax_id": "DE136695976", "seller_name": "Mill"}


def content(document: str, name: str = "", **changes: Any) -> dict[str, Any]:
    return {"document": document, "input": name or document, "invoice": INVOICE | changes}


def stored(document: str, name: str = "", **changes: Any) -> Stored:
    return Stored(f"results/{document}", "", content(document, name, **changes))


def test_an_identity_is_of_seller_and_number_else_of_number_date_and_amount():
    """Spelling aside; a credit note is another document than the invoice that it credits."""
    same = [{}, {"invoice_number": "n 1"}, {"seller_tax_id": "136 695 976"}, {"gross_total": "7"}, {"seller_name": "X"}]
    assert len({key_of(content("a", **changes)) for changes in same}) == 1
    nameless = {"seller_tax_id": None, "seller_name": None, "issue_date": "2026-01-01", "gross_total": "119.00"}
    others = [{}, {"invoice_number": "N-2"}, {"doc_type": "credit_note"}, {"seller_tax_id": None}, nameless]
    others += [nameless | {"gross_total": "118.00"}, nameless | {"issue_date": "2026-01-02"}]
    assert len({key_of(content("a", **changes)) for changes in others}) == len(others)
    assert key_of(content("a", **nameless)) == key_of(content("a", **nameless | {"gross_total": "119.0"}))
    assert key_of(content("a", invoice_number=None)) is None
    assert key_of({"data": {"invoice_number": "N-1"}}) is None


async def manifest_of(store: MemoryStore, *documents: str) -> Any:
    async with Manifest.open(store, clock=virtual_clock()) as manifest:
        for document in documents:
            await manifest.update(document, status="running")
        return manifest


def test_of_many_that_race_one_is_first_and_all_others_name_it():
    """A create-only key knows no draw; who asks again, as after a crash, hears the same."""
    names = [f"d{n}" for n in range(20)]

    async def law() -> None:
        manifest = await manifest_of(MemoryStore("memory://out"), *names)
        duplicates = Duplicates(manifest, Results(manifest.store, manifest.clock))

        async def ask(name: str) -> Duplicate | None:
            return await duplicates.first(name, stored(name).content)

        found = dict(zip(names, await asyncio.gather(*map(ask, names)), strict=True))
        [first] = [name for name, duplicate in found.items() if duplicate is None]
        assert all(d == Duplicate("duplicate.invoice", first) for name, d in found.items() if name != first)
        assert dict(zip(names, await asyncio.gather(*map(ask, names)), strict=True)) == found

    virtually(law())


def test_the_same_bytes_name_the_document_that_their_result_was_made_for():
    """Even where that one died before it could be recorded: it adopts the result, and is first."""

    async def law() -> None:
        manifest = await manifest_of(MemoryStore("memory://out"), "a", "b")
        duplicates = Duplicates(manifest, Results(manifest.store, manifest.clock))
        assert await duplicates.first("b", stored("a").content) == Duplicate("duplicate.bytes", "a")
        assert await duplicates.first("a", stored("a").content) is None

    virtually(law())


def test_a_noted_duplicate_is_a_warning_and_stays_done_and_nobody_looks_if_off():
    """What else sends a document to review is not undone by the note."""

    async def law() -> None:
        manifest = await manifest_of(MemoryStore("memory://out"), "a", "b")
        results = Results(manifest.store, manifest.clock)
        assert await Duplicates(manifest, results, "off").first("a", stored("a").content) is None
        assert [key async for key in manifest.store.list("duplicates")] == []
        noting = Duplicates(manifest, results, "note")
        assert await noting.first("a", stored("a").content) is None
        found = await noting.first("b", stored("b").content)
        assert found == Duplicate("duplicate.invoice", "a", noted=True)
        for status in ("done", "review"):
            facts = noted({"status": status, "findings": []}, found)
            assert (facts["status"], facts["findings"]) == (status, ["duplicate.invoice"])
            assert finding_of(facts["duplicate"]).severity == "warning"

    virtually(law())


def test_who_came_first_names_the_others_though_its_record_does_not():
    """Derived from the records of the others, sorted."""
    rows = [(name, {"duplicate": {"code": "duplicate.bytes", "of": "a"}}) for name in ("c", "b")]
    seconds = seconds_in([("a", {}), *rows])
    assert named("a", {"status": "done"}, seconds) == {"status": "done", "duplicates": ["b", "c"]}
    assert named("b", {}, seconds) == {}


def test_a_claim_that_its_document_no_longer_bears_out_goes_to_who_asks():
    """The first was read anew under another number, or failed: its key is only what it once said."""

    async def law() -> None:
        manifest = await manifest_of(MemoryStore("memory://out"), "a", "b", "c")
        duplicates = Duplicates(manifest, Results(manifest.store, manifest.clock))
        assert await duplicates.first("a", stored("a").content) is None
        await manifest.update("a", status="failed")
        assert await duplicates.first("b", stored("b").content) is None
        assert await duplicates.first("c", stored("c").content) == Duplicate("duplicate.invoice", "b")

    virtually(law())
