"""The laws of archives and mails in a run: each part ends once, none is lost to a crash, none fetched for itself."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from tests.batch import Process, answer_for, invoice_pdf, records_of
from tests.containers_made import make_mail, make_zip
from tests.test_pipeline import out_store
from tests.virtual import virtually

from counterfoil.audit import audit
from counterfoil.command_export import Rows
from counterfoil.manifest import Manifest
from counterfoil.model import ScriptedModel
from counterfoil.store import Object
from counterfoil.store_memory import MemoryStore


class CountingStore(MemoryStore):
    """A source that counts what is fetched."""

    def __init__(self) -> None:
        super().__init__("memory://source")
        self.gets = Counter[str]()

    async def get(self, key: str) -> Object | None:
        self.gets[key] += 1
        return await super().get(key)


def archive_of(count: int, first: int = 0) -> bytes:
    return make_zip({f"{n}.pdf": invoice_pdf(f"N-{n}", 100 + n) for n in range(first, first + count)})


def good() -> ScriptedModel:
    return ScriptedModel(answer_for, latency=1.0)


def test_each_part_is_a_document_and_the_archive_is_counted_as_none():
    """Forty parts and a file beside them: forty-one done and exported, one container, two fetches of the source."""

    async def law() -> None:
        out, source, model = out_store("parts"), CountingStore(), good()
        await source.put("a.zip", archive_of(40))
        await source.put("b.pdf", invoice_pdf("B-1", 900))
        run = await Process(out, source, model).task
        records = await records_of(out)
        assert {"a.zip", "a.zip/0.pdf", "a.zip/39.pdf", "b.pdf"} <= set(records)
        assert (len(records), model.calls) == (42, 41)
        assert run.tools.worker.statuses == {"done": 41, "container": 1}
        assert (records["a.zip"]["status"], records["a.zip"]["reader"]) == ("done", "container")
        assert records["a.zip/7.pdf"]["within"] == "a.zip"
        assert source.gets == {"a.zip": 2, "b.pdf": 1}
        assert (await audit("memory://parts")).breaches == []
        rows = await Rows(await Manifest.read(out), asyncio.get_running_loop())._shard(0)
        assert "a.zip" not in [row.file for row in rows]
        assert len(rows) == 41

    virtually(law())


@pytest.mark.parametrize("moment", ["before manifest/0000.json", "after manifest/0000.json", "before results"])
def test_a_crash_between_the_plan_of_the_parts_and_the_end_of_the_archive_loses_none(moment: str):
    """Whatever landed, the next run ends with every part done once and paid once."""

    async def law() -> None:
        for nth in range(1, 6):
            name = f"crash{moment.split()[0]}{moment[-4:]}{nth}"
            out, source, model = out_store(name), CountingStore(), good()
            await source.put("a.zip", archive_of(6))
            first = Process(out, source, model, seed=1)
            seen = 0

            def cut(event: str, nth: int = nth, first: Process = first) -> None:
                nonlocal seen
                seen += event.startswith(moment)
                if seen == nth:
                    first.kill()

            first.store.cut = cut  # type: ignore[method-assign]
            await asyncio.sleep(20)
            first.kill()
            await asyncio.sleep(5)
            await Process(out, source, model, seed=2).task
            records = await records_of(out)
            assert {d: r["status"] for d, r in records.items()} == dict.fromkeys(
                ["a.zip", *(f"a.zip/{n}.pdf" for n in range(6))], "done"
            )
            assert model.calls <= 6 + 4
            assert (await audit(f"memory://{name}")).breaches == []

    virtually(law())


def test_a_changed_archive_has_its_parts_read_anew_and_keeps_the_records_of_those_that_are_gone():
    """Parts with the same bytes adopt their results; a part that is gone is kept as a deleted file is."""

    async def law() -> None:
        out, source, model = out_store("changed-zip"), CountingStore(), good()
        await source.put("a.zip", archive_of(3))
        await Process(out, source, model).task
        await source.put("a.zip", archive_of(3, first=1))
        await Process(out, source, model, seed=1).task
        records = await records_of(out)
        assert sorted(records) == ["a.zip", *(f"a.zip/{n}.pdf" for n in range(4))]
        assert {record["status"] for record in records.values()} == {"done"}
        assert (model.calls, records["a.zip/1.pdf"]["adopted"]) == (4, True)
        assert records["a.zip/0.pdf"]["mark"] != records["a.zip/1.pdf"]["mark"] == records["a.zip"]["mark"]

    virtually(law())


def test_equal_archives_each_have_their_own_parts():
    """The second one's bytes are known, its parts are not; they adopt, and nothing is paid twice."""

    async def law() -> None:
        out, source, model = out_store("equal-zip"), CountingStore(), good()
        for name in ("a.zip", "b.zip"):
            await source.put(name, archive_of(3))
        await Process(out, source, model).task
        records = await records_of(out)
        assert (len(records), model.calls) == (8, 3)
        second = {records[f"{name}.zip/2.pdf"]["status"] for name in "ab"}
        assert second == {"done", "review"}, "one of the two is a duplicate of the other"

    virtually(law())


def test_a_part_that_bears_the_name_of_a_file_of_the_source_is_refused():
    """In a bucket both can be there; neither may pass for the other, and both are named."""

    async def law() -> None:
        out, source = out_store("clash"), CountingStore()
        await source.put("a.zip", archive_of(2))
        await source.put("a.zip/1.pdf", invoice_pdf("REAL", 700))
        await Process(out, source, good()).task
        records = await records_of(out)
        assert records["a.zip"]["status"] == "failed"
        assert "a.zip/1.pdf; rename" in records["a.zip"]["reason"]
        assert records["a.zip/1.pdf"]["summary"]["invoice_number"] == "REAL"

    virtually(law())


def test_a_part_that_is_bad_fails_alone_with_its_reason():
    """An entry with a wrong checksum, one that is no document, and an archive that lies too deep."""

    async def law() -> None:
        out, source = out_store("bad-parts"), CountingStore()
        deep = make_zip({"x.pdf": invoice_pdf("X")})
        for _ in range(3):
            deep = make_zip({"in.zip": deep})
        broken = bytearray(make_zip({"a.pdf": invoice_pdf("A")}, 0) + b"")
        broken[60] ^= 0xFF
        await source.put(
            "m.eml", make_mail(deep__zip=deep, broken__zip=bytes(broken), odd__pdf=b"?", b__pdf=invoice_pdf("B"))
        )
        await Process(out, source, good()).task
        records = await records_of(out)
        reasons = {document: record.get("reason", "") for document, record in records.items()}
        assert "opened 3 deep" in reasons["m.eml/deep.zip/in.zip/in.zip"]
        assert "damaged in its archive" in reasons["m.eml/broken.zip/a.pdf"]
        assert "neither a PDF" in reasons["m.eml/odd.pdf"]
        assert records["m.eml/b.pdf"]["status"] == "done"

    virtually(law())


def test_retry_of_an_archive_or_of_a_part_reads_just_that():
    """A retried part is taken out again; a retried archive plans nothing new."""

    async def law() -> None:
        from counterfoil.command_retry import send_back

        out, source, model = out_store("retry-zip"), CountingStore(), good()
        await source.put("a.zip", archive_of(2))
        await Process(out, source, model).task
        assert await send_back("memory://retry-zip", (), ("a.zip", "a.zip/1.pdf")) == 2
        await Process(out, source, model, seed=1).task
        records = await records_of(out)
        assert {record["status"] for record in records.values()} == {"done"}
        assert (model.calls, len(records)) == (3, 3)

    virtually(law())
