"""Which documents a source has, how their bytes are fetched, and how they come into the manifest."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests import servers

from counterfoil import source as source_module
from counterfoil.clock import Clock
from counterfoil.commit import State
from counterfoil.document import Usage
from counterfoil.errors import InputError, SetupError, Unavailable
from counterfoil.manifest import Manifest
from counterfoil.source import Source, count, open_source, plan, shards_for
from counterfoil.store import Entry, Object
from counterfoil.store_folder import FolderStore
from counterfoil.store_memory import MemoryStore
from counterfoil.worker import Worker


def folder(root: Path, *names: str) -> str:
    """A folder with files of these names; a body is its name."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return str(root)


async def documents(source: Source) -> list[str]:
    return sorted([entry.key async for entry in source.documents()])


@pytest.fixture
def in_s3(s3: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3.items():
        monkeypatch.setenv(name, value)


# --- which documents


async def test_a_folder_is_read_to_its_depths(tmp_path: Path):
    """The id of a document is its path within the source."""
    source = await open_source(folder(tmp_path, "a.pdf", "2024/b.xml", "2024/05/c d.PDF", "no-suffix"), out="/out")
    assert await documents(source) == ["2024/05/c d.PDF", "2024/b.xml", "a.pdf", "no-suffix"]
    assert source.url == str(tmp_path)


async def test_hidden_files_and_folders_are_left_out(tmp_path: Path):
    """Whatever --include says."""
    place = folder(tmp_path, "a.pdf", ".b.pdf", ".git/c.pdf", "d/.e/f.pdf")
    assert await documents(await open_source(place, out="/out")) == ["a.pdf"]
    assert await documents(await open_source(place, out="/out", include=["*"])) == ["a.pdf"]


@pytest.mark.parametrize("include", [(), ("*",)])
async def test_out_inside_the_source_is_left_out(tmp_path: Path, include: tuple[str, ...]):
    """Its own results are no documents, also if OUT is written in another way; a name that begins alike is another."""
    place = folder(tmp_path, "a.pdf", "out/results/x.pdf", "out-2/b.pdf", "deep/out/c.pdf")
    for out in (f"{place}/out", f"{place}/deep/../out/", f"file://{place}/out"):
        source = await open_source(place, out=out, include=include)
        assert await documents(source) == ["a.pdf", "deep/out/c.pdf", "out-2/b.pdf"]


async def test_what_is_never_a_document_is_passed_over_and_counted(tmp_path: Path):
    """By suffix, in any case; and counted anew each time."""
    place = folder(tmp_path, "a.pdf", "README.md", "x.json", "y.JSON", "z.csv", "b.jpg")
    source = await open_source(place, out="/out")
    for _ in range(2):
        assert await documents(source) == ["a.pdf", "b.jpg"]
    assert source.skipped == {".md": 1, ".json": 2, ".csv": 1}


@pytest.mark.parametrize(
    ("globs", "expected"),
    [
        (["*.pdf"], ["a.pdf", "x/b.pdf"]),
        (["b.*"], ["x/b.pdf"]),
        (["x/*"], ["x/b.pdf", "x/c.json"]),
        (["*.json", "a.*"], ["a.pdf", "x/c.json"]),
        (["nothing"], []),
    ],
)
async def test_include_matches_the_path_or_the_name(tmp_path: Path, globs: list[str], expected: list[str]):
    """Several globs are alternatives, and what is asked for by name is taken even if it is never a document."""
    source = await open_source(folder(tmp_path, "a.pdf", "x/b.pdf", "x/c.json"), out="/out", include=globs)
    assert await documents(source) == expected


async def test_a_limit_takes_the_first(tmp_path: Path):
    """It counts documents, not files, and may be larger than their number."""
    place = folder(tmp_path, "0.md", "a.pdf", "b.pdf", "c.pdf")
    for limit, expected in ((1, ["a.pdf"]), (2, ["a.pdf", "b.pdf"]), (9, ["a.pdf", "b.pdf", "c.pdf"])):
        assert await documents(await open_source(place, out="/out", limit=limit)) == expected


async def test_a_source_may_be_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Of any suffix, and without a walk through its neighbours; its id is its name."""
    folder(tmp_path, "a.json", "b.pdf")
    source = await open_source(str(tmp_path / "a.json"), out="/out")
    monkeypatch.setattr(FolderStore, "list", None)
    assert await documents(source) == ["a.json"]
    assert await source.fetch("a.json", 6, 100) == b"a.json"
    assert source.url == f"{tmp_path}/a.json"
    (tmp_path / "a.json").unlink()
    assert await documents(source) == []


async def test_one_file_has_the_mark_that_it_has_in_its_folder(tmp_path: Path):
    """So reading it alone and then with its folder reads it once."""
    place = folder(tmp_path, "a.pdf")
    alone, among = [await open_source(p, out="/out") for p in (f"{place}/a.pdf", place)]
    assert [e async for e in alone.documents()] == [e async for e in among.documents()]


async def test_a_missing_path_is_a_set_up_error_and_an_empty_folder_is_none(tmp_path: Path):
    """Nothing to do is no error."""
    with pytest.raises(SetupError, match="there is no such file or folder"):
        await open_source(str(tmp_path / "nowhere"), out="/out")
    assert await documents(await open_source(str(tmp_path), out="/out")) == []


@pytest.mark.usefixtures("in_s3")
async def test_a_bucket_is_read_like_a_folder(bucket: str, s3_server: str):
    """Hidden parts, folder markers and OUT are left out."""
    for key in ("in/a.pdf", "in/2024/b.xml", "in/.hidden/c.pdf", "in/out/results/x.pdf", "in/out-2/d.pdf", "in2/e.pdf"):
        servers.put_object(s3_server, bucket, key, b"x")
    servers.put_object(s3_server, bucket, "in/2024/", b"")
    for place in (f"s3://{bucket}/in", f"s3://{bucket}/in/"):
        source = await open_source(place, out=f"s3://{bucket}/in/out")
        assert await documents(source) == ["2024/b.xml", "a.pdf", "out-2/d.pdf"]


@pytest.mark.usefixtures("in_s3")
async def test_a_source_may_be_one_object(bucket: str, s3_server: str):
    """In a folder or at the top of its bucket; a prefix with nothing below it is empty."""
    for key in ("top.pdf", "in/one.pdf", "in/two.pdf"):
        servers.put_object(s3_server, bucket, key, key.encode())
    for key, name in (("top.pdf", "top.pdf"), ("in/one.pdf", "one.pdf")):
        source = await open_source(f"s3://{bucket}/{key}", out="/out")
        assert await documents(source) == [name]
        assert await source.fetch(name, 0, 100) == key.encode()
    assert await documents(await open_source(f"s3://{bucket}/none", out="/out")) == []
    with pytest.raises(SetupError, match="no such bucket"):
        await open_source("s3://no-such-bucket", out="/out")


# --- fetching


def hasty_clock() -> Clock:
    """A second passes whenever it is looked at, and sleeping takes no time."""

    async def no_sleep(seconds: float) -> None:
        pass

    seconds = itertools.count()
    return Clock(lambda: next(seconds), no_sleep)


async def fetched(store: MemoryStore, size: int = 4, most: int = 100) -> bytes:
    return await Source(store, hasty_clock()).fetch("a", size, most)


async def test_what_can_not_be_fetched_is_an_input_error_of_that_document():
    """Gone, larger than the limit by its listing, or larger by now."""
    store = MemoryStore()
    with pytest.raises(InputError, match="no longer in the source"):
        await fetched(store)
    await store.put("a", b"body")
    assert await fetched(store) == b"body"
    with pytest.raises(InputError, match="the file has 101 bytes, the limit is 100"):
        await fetched(store, size=101)
    with pytest.raises(InputError, match="the file has 4 bytes, the limit is 3"):
        await fetched(store, size=3, most=3)


class Flaky(MemoryStore):
    failures = 0

    async def get(self, key: str) -> Object | None:
        self.failures -= 1
        if self.failures >= 0:
            raise Unavailable("the source is away")
        return await super().get(key)


async def test_a_source_that_is_away_for_a_moment_costs_nothing():
    """And one that stays away costs the document, with a reason."""
    store = Flaky()
    await store.put("a", b"body")
    store.failures = 3
    assert await fetched(store) == b"body"
    store.failures = 10_000
    with pytest.raises(InputError, match="the file can't be read: the source is away"):
        await fetched(store)


# --- planning


@asynccontextmanager
async def planning(shards: int = 1) -> AsyncIterator[tuple[Manifest, Worker]]:
    async with Manifest.open(MemoryStore(), shards=shards) as manifest, Worker.join(manifest) as worker:
        yield manifest, worker


async def states(manifest: Manifest) -> dict[int, State]:
    return {shard: state async for shard, state in manifest.states()}


async def records(manifest: Manifest) -> dict[str, dict[str, object]]:
    return dict([pair async for pair in manifest.records()])


async def test_planning_brings_every_document_in_as_pending(tmp_path: Path):
    """With its size and mark, whether the documents were kept or are listed as it goes."""
    source = await open_source(folder(tmp_path, "a.pdf", "x/b.pdf"), out="/out")
    total, kept = await count(source)
    assert total == 2
    for known in (kept, None):
        async with planning() as (manifest, worker):
            assert await plan(source, manifest, worker, known) == 2
            planned = await records(manifest)
            assert {name: (r["status"], r["size"]) for name, r in planned.items()} == {
                "a.pdf": ("pending", 5),
                "x/b.pdf": ("pending", 7),
            }


async def test_planning_twice_writes_nothing(tmp_path: Path):
    """The same version of every shard: a re-run of a finished batch does not touch the store."""
    source = await open_source(folder(tmp_path, *(f"{n}.pdf" for n in range(50))), out="/out")
    async with planning(shards=4) as (manifest, worker):
        await plan(source, manifest, worker)
        before = {shard: state.version for shard, state in (await states(manifest)).items()}
        assert await plan(source, manifest, worker) == 50
        assert {shard: state.version for shard, state in (await states(manifest)).items()} == before
        assert len(before) == 4
        assert len(await records(manifest)) == 50


class BreaksOff(MemoryStore):
    """A listing that ends in an error after two entries, so many times."""

    failures = 2

    async def list(self, prefix: str = "") -> AsyncIterator[Entry]:
        seen = 0
        async for entry in super().list(prefix):
            if seen == 2 and self.failures > 0:
                self.failures -= 1
                raise Unavailable("the listing broke off")
            seen += 1
            yield entry


async def test_a_listing_that_breaks_off_is_begun_again(monkeypatch: pytest.MonkeyPatch):
    """No document is counted or planned twice, and none is missed."""
    monkeypatch.setattr(source_module, "_PLANNED_AT_ONCE", 1)
    for attempt in ("count", "plan"):
        store = BreaksOff()
        for n in range(5):
            await store.put(f"{n}.pdf", b"x")
        source = Source(store, hasty_clock())
        async with planning() as (manifest, worker):
            if attempt == "count":
                assert (await count(source))[0] == 5
            else:
                assert await plan(source, manifest, worker) == 5
                assert sorted(await records(manifest)) == [f"{n}.pdf" for n in range(5)]
        assert store.failures == 0


async def test_a_changed_document_goes_back_to_pending_and_no_other(tmp_path: Path):
    """What it was is in its history; one that vanished from the source keeps its record."""
    source = await open_source(folder(tmp_path, "a.pdf", "b.pdf", "c.pdf"), out="/out")
    async with planning() as (manifest, worker):
        await plan(source, manifest, worker)
        for claim in await worker.claim(3):
            await worker.deeds.finish(claim, {"status": "done", "input": "i", "result": "r"}, Usage())
        folder(tmp_path, "d.pdf")
        (tmp_path / "a.pdf").write_text("changed")
        (tmp_path / "c.pdf").unlink()
        assert await plan(source, manifest, worker) == 3
        after = await records(manifest)
        assert {name: record["status"] for name, record in after.items()} == {
            "a.pdf": "pending",
            "b.pdf": "done",
            "c.pdf": "done",
            "d.pdf": "pending",
        }
        assert "source changed" in str(after["a.pdf"]["history"])
        assert "result" not in after["a.pdf"]


async def test_a_long_listing_is_not_kept_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Its documents are counted, and then planned in portions as they are listed once more."""
    monkeypatch.setattr(source_module, "_KEPT", 10)
    monkeypatch.setattr(source_module, "_PLANNED_AT_ONCE", 7)
    names = [f"{n:02d}.pdf" for n in range(30)]
    source = await open_source(folder(tmp_path, *names), out="/out")
    assert await count(source) == (30, None)
    async with planning(shards=3) as (manifest, worker):
        assert await plan(source, manifest, worker) == 30
        assert sorted(await records(manifest)) == names


def test_shards_stay_files_that_a_person_can_read():
    """One for a small run, about 128 documents each, and never more than ten thousand."""
    assert [shards_for(n) for n in (0, 1, 128, 129, 1000, 1_280_000, 10**9)] == [1, 1, 1, 2, 8, 10_000, 10_000]
