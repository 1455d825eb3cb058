"""What is true of a folder as a store, beyond the contract in test_store: files, locks, and processes that die."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from counterfoil.errors import Conflict, SetupError
from counterfoil.manifest import Manifest
from counterfoil.store_folder import FolderStore, key_of

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="names that are not UTF-8 are possible on Linux only")


async def keys(store: FolderStore) -> list[str]:
    return sorted([entry.key async for entry in store.list()])


async def test_a_reader_never_sees_a_half_written_body(tmp_path: Path):
    """Whole bodies only, while another thread rewrites the file both ways."""
    store = FolderStore(tmp_path)
    bodies = [letter * 2_000_000 for letter in (b"a", b"b", b"c")]
    tag = await store.put_new("key", bodies[0])

    async def rewrite(tag: str) -> None:
        for n in range(30):
            tag = await store.put_if("key", bodies[n % 3], tag)
        for n in range(30):
            await store.put("key", bodies[n % 3])

    writing, seen = asyncio.create_task(rewrite(tag)), set[bytes]()
    while not writing.done():
        seen.add(await asyncio.to_thread((tmp_path / "key").read_bytes))
    await writing
    assert seen <= set(bodies)
    assert len(seen) > 1


async def test_temporary_files_and_locks_are_never_listed_and_do_not_pile_up(tmp_path: Path):
    """At any moment a listing gives the key alone; afterwards only the lock stays beside it."""
    store = FolderStore(tmp_path)
    tag = await store.put_new("a/key", b"0")

    async def rewrite(tag: str) -> None:
        for n in range(50):
            tag = await store.put_if("a/key", b"%d" % n, tag)

    writing = asyncio.create_task(rewrite(tag))
    while not writing.done():
        assert await keys(store) == ["a/key"]
    with pytest.raises(Conflict):
        await store.put_new("a/key", b"again")
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [".key.lock", "key"]


async def test_the_time_of_a_file_grows_with_every_rewrite(tmp_path: Path):
    """Listings tell rewritten files by it: also where the clock stands still (one tick) or was set back."""
    store, path = FolderStore(tmp_path), tmp_path / "key"
    tag = await store.put_new("key", b"1")
    ahead = path.stat().st_mtime_ns + 3_600_000_000_000
    os.utime(path, ns=(ahead, ahead))
    await store.put_if("key", b"2", tag)
    assert path.stat().st_mtime_ns == ahead + 1
    await store.put("key", b"3")
    assert path.stat().st_mtime_ns == ahead + 2


async def test_a_file_where_a_folder_is_needed_is_for_a_person_to_mend(tmp_path: Path):
    """Every write says so at once, in a sentence, instead of being tried again for a minute."""
    (tmp_path / "file").write_text("")
    store = FolderStore(tmp_path / "file" / "out")
    for write in (store.put_new("key", b""), store.put("a/key", b"")):
        with pytest.raises(SetupError, match=rf"can't make the folder {tmp_path}/file.*: .*(file|directory)"):
            await write
    with pytest.raises(SetupError, match=rf"can't make the folder {tmp_path}/file"):
        async with Manifest.open(str(tmp_path / "file" / "out")):
            raise AssertionError("it was opened")


async def test_a_folder_where_a_file_is_needed_is_for_a_person_to_mend(tmp_path: Path):
    """A key that is a folder can't be read or replaced."""
    (tmp_path / "key").mkdir()
    store = FolderStore(tmp_path)
    for operation in (store.get("key"), store.put("key", b""), store.delete("key")):
        with pytest.raises(SetupError, match="'key'"):
            await operation


async def test_a_name_that_is_too_long_is_for_a_person_to_mend(tmp_path: Path):
    """No file system takes 300 bytes, however often it is asked."""
    with pytest.raises(SetupError, match="too long"):
        await FolderStore(tmp_path).put("n" * 300, b"")


@pytest.mark.parametrize("key", ["../out", "a/../../b", "/etc/passwd", "", ".", "a\0b"])
async def test_a_key_can_not_leave_its_root(tmp_path: Path, key: str):
    """Whatever a manifest or a user says."""
    store = FolderStore(tmp_path / "root")
    for operation in (store.get(key), store.put(key, b""), store.delete(key)):
        with pytest.raises(SetupError, match="is no key inside"):
            await operation
    assert not (tmp_path / "root").exists()


@LINUX
@pytest.mark.parametrize(
    "name", [b"caf\xe9", b"\xff", b"100%-\xe9", b"a%20\xe9", b"\xc3\xa9-\xe9%C3%A9", b"in \xe9/\xe8"]
)
async def test_names_that_are_not_utf8_can_be_read_by_the_key_that_is_listed(tmp_path: Path, name: bytes):
    """The key is text that any JSON can carry."""
    path = tmp_path / os.fsdecode(name)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"body")
    store = FolderStore(tmp_path)
    (key,) = await keys(store)
    assert key.encode("utf-8")
    found = await store.get(key)
    assert found is not None and found.body == b"body"
    await store.delete(key)
    assert await keys(store) == []


@LINUX
async def test_a_name_with_an_escape_in_it_is_not_mistaken_for_a_raw_one(tmp_path: Path):
    """A name that is UTF-8 is its own key, and a new key becomes a name letter by letter."""
    await FolderStore(tmp_path).put_new("caf%E8", b"text")
    assert (tmp_path / "caf%E8").read_bytes() == b"text"
    assert key_of("100% caf%E9") == "100% caf%E9"


async def test_links_to_folders_are_not_followed(tmp_path: Path):
    """A link to its own parent would make a listing endless; a link to a file is that file."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_text("x")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "a" / "file")
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    assert await keys(FolderStore(tmp_path)) == ["a/file", "link"]


async def test_create_only_holds_where_the_file_system_has_no_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Some mounts refuse them; then the lock decides, and whoever finds it held waits."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    store = FolderStore(tmp_path)
    outcomes = await asyncio.gather(*(store.put_new("key", b"%d" % n) for n in range(30)), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Conflict"] * 29 + ["str"]


# --- processes that die or stop while they hold the lock

HOLDER = """
import asyncio, sys, time
from pathlib import Path
from counterfoil import store_folder

def hold(temporary, path):
    print("held", flush=True)
    sys.stdin.readline()
    temporary.replace(path)

store_folder._replace = hold
tag = sys.argv[2]
asyncio.run(store_folder.FolderStore(Path(sys.argv[1])).put_if("key", b"theirs", tag))
"""


@contextmanager
def holder(folder: Path, tag: str) -> Generator[subprocess.Popen[str]]:
    """A process in the middle of a `put_if`; it goes on when it is sent a line."""
    command = [sys.executable, "-c", HOLDER, str(folder), tag]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


async def test_a_process_killed_while_it_holds_the_lock_does_not_block_others(tmp_path: Path):
    """The lock dies with it, the object is as it was, and what it left behind is no key."""
    store = FolderStore(tmp_path)
    tag = await store.put_new("key", b"1")
    with holder(tmp_path, tag) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        await asyncio.wait_for(store.put_if("key", b"ours", tag), 5)
    found = await store.get("key")
    assert found is not None and found.body == b"ours"
    assert await keys(store) == ["key"]


async def test_a_process_stopped_while_it_holds_the_lock_only_delays_others(tmp_path: Path):
    """Meanwhile reading and other keys go on; once it continues, its write counts and ours is refused."""
    store = FolderStore(tmp_path)
    tag = await store.put_new("key", b"1")
    with holder(tmp_path, tag) as process:
        process.send_signal(signal.SIGSTOP)
        ours = asyncio.create_task(store.put_if("key", b"ours", tag))
        other = await store.put_new("other", b"1")
        await store.put_if("other", b"2", other)
        found = await store.get("key")
        assert found is not None and found.body == b"1"
        assert not ours.done()
        assert process.stdin is not None
        process.stdin.write("go on\n")
        process.stdin.flush()
        process.send_signal(signal.SIGCONT)
        with pytest.raises(Conflict):
            await asyncio.wait_for(ours, 5)
    found = await store.get("key")
    assert found is not None and found.body == b"theirs"
