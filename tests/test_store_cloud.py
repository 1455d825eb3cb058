"""What is true of a bucket as a store, beyond the contract: addresses, bad answers, and the end of a process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping

import pytest
from tests import servers

from counterfoil.clock import Clock
from counterfoil.errors import Conflict, SetupError, Unavailable
from counterfoil.locations import open_store
from counterfoil.manifest import Manifest
from counterfoil.store import Store

NO_HOME = {"HOME": "/nowhere"}
KEYS = servers.KEYS | NO_HOME


def error(code: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>as it says</Message></Error>".encode()


def absent(method: str, path: str) -> tuple[int, bytes]:
    """Says of every key that there is none."""
    return 404, error("NoSuchKey")


async def keys(store: Store, prefix: str = "") -> list[str]:
    return sorted([entry.key async for entry in store.list(prefix)])


# --- buckets and what is in them


async def test_a_missing_bucket_is_for_a_person_to_mend(s3: Mapping[str, str]):
    """Reading, creating, writing and listing all say so; none takes it for a missing key."""
    store = open_store("s3://no-such-bucket/out", s3)
    for operation in (store.get("key"), store.put_new("key", b""), store.put("key", b""), keys(store)):
        with pytest.raises(SetupError, match="s3://no-such-bucket/out: there is no such bucket"):
            await operation


async def test_the_folders_that_consoles_make_are_no_documents(s3: Mapping[str, str], bucket: str):
    """They are empty objects `folder/`; whatever is listed can be read, an empty object with a name of its own, too."""
    for key, body in (("in/", b""), ("in/sub/", b""), ("in/sub/a.pdf", b"a"), ("in/empty.pdf", b"")):
        servers.put_object(s3["AWS_ENDPOINT_URL"], bucket, key, body)
    store = open_store(f"s3://{bucket}/in", s3)
    assert await keys(store) == ["empty.pdf", "sub/a.pdf"]
    assert await keys(open_store(f"s3://{bucket}", s3)) == ["in/empty.pdf", "in/sub/a.pdf"]
    for key in await keys(store):
        assert await store.get(key) is not None


@pytest.mark.parametrize("name", ["new\nline", "tab\t", "a//b", "a/../b", "./a", "\x7f"])
async def test_a_key_that_can_not_be_used_is_refused_in_a_sentence(s3: Mapping[str, str], bucket: str, name: str):
    """The client takes no control characters and no empty or dotted parts: neither to write, nor where they are."""
    store = open_store(f"s3://{bucket}/in", s3)
    with pytest.raises(SetupError, match="can't be used"):
        await store.put_new(name, b"x")
    servers.put_object(s3["AWS_ENDPOINT_URL"], bucket, f"in/{name}", b"x")
    with pytest.raises(SetupError, match=r"an object there has a key that can't be used .* rename it"):
        await keys(store)


async def test_prefixes_of_one_bucket_do_not_see_each_other(s3: Mapping[str, str], bucket: str):
    """`run` is not the beginning of `run-2`, and a slash at the end says nothing."""
    for name in ("run", "run-2"):
        await open_store(f"s3://{bucket}/{name}", s3).put_new("key", name.encode())
    store = open_store(f"s3://{bucket}/run/", s3)
    found = await store.get("key")
    assert (await keys(store), found and found.body, store.url) == (["key"], b"run", f"s3://{bucket}/run")


# --- bad answers


@pytest.mark.parametrize(
    ("status", "code", "kind", "sentence"),
    [
        (412, "PreconditionFailed", Conflict, "key"),
        (409, "ConditionalRequestConflict", (Conflict, Unavailable), "key"),
        (500, "InternalError", Unavailable, "key"),
        (503, "SlowDown", Unavailable, "key"),
        (403, "AccessDenied", SetupError, "access to 'key' was denied"),
        (403, "InvalidAccessKeyId", SetupError, "check AWS_ACCESS_KEY_ID"),
        (403, "SignatureDoesNotMatch", SetupError, "check AWS_SECRET_ACCESS_KEY"),
        (400, "AuthorizationHeaderMalformed", SetupError, "set AWS_REGION"),
        (301, "PermanentRedirect", SetupError, "set AWS_REGION"),
        (400, "ExpiredToken", SetupError, "renew the credentials"),
    ],
)
async def test_a_bad_answer_is_told_by_its_remedy_and_never_tried_again_by_the_store(
    status: int, code: str, kind: type[Exception], sentence: str
):
    """A second try would take our own landed write for another's: who writes decides, so each write is one request."""
    with servers.scripted(lambda *_: (status, error(code))) as (url, asked):
        store = open_store("s3://bucket/out", KEYS | {"AWS_ENDPOINT_URL": url})
        for write in (store.put_new("key", b"x"), store.put_if("key", b"x", '"tag"|')):
            with pytest.raises(kind, match=rf"^(s3://bucket/out: .*)?{sentence}"):
                await write
    assert len(asked) == 2


async def test_a_write_without_a_condition_meets_no_conflict():
    """A 409 to a plain write says that the object is busy, not that it is another's: the same write may be repeated."""
    with servers.scripted(lambda *_: (409, error("OperationAborted"))) as (url, _):
        store = open_store("s3://bucket/out", KEYS | {"AWS_ENDPOINT_URL": url})
        with pytest.raises(Unavailable):
            await store.put("key", b"x")
        with pytest.raises(Unavailable):
            await store.delete("key")


async def test_a_missing_object_is_a_conflict_only_for_a_swap():
    """404 for `put_if` says that the object is gone; for a plain write it can only be the bucket."""
    with servers.scripted(absent) as (url, _):
        store = open_store("s3://bucket/out", KEYS | {"AWS_ENDPOINT_URL": url})
        assert await store.get("key") is None
        await store.delete("key")
        with pytest.raises(Conflict):
            await store.put_if("key", b"", '"tag"|')
        with pytest.raises(SetupError, match="no such bucket"):
            await store.put_new("key", b"")


# --- addresses


def hasty_clock() -> Clock:
    """Each sleep takes no time, and a second on its face."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(max(seconds, 1.0))

    return Clock(lambda: sum(slept), sleep)


async def test_where_nothing_listens_the_store_is_unavailable_and_a_run_gives_up():
    """Each operation fails at once; opening a manifest tries for a minute of its clock, then says so."""
    store = open_store("s3://bucket/out", KEYS | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{servers.free_port()}"})
    started = time.monotonic()
    for operation in (store.get("key"), store.put_new("key", b""), store.delete("key"), keys(store)):
        with pytest.raises(Unavailable, match="s3://bucket/out"):
            await operation
    with pytest.raises(Unavailable, match="s3://bucket/out"):
        async with Manifest.open(store, clock=hasty_clock()):
            raise AssertionError("it was opened")
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("endpoint", ["localhost:9000", "ftp://host", "http://", "http://host:x", "https:///path"])
def test_an_endpoint_that_is_no_address_is_a_set_up_error(endpoint: str):
    """Seen before anything is asked."""
    with pytest.raises(SetupError, match="s3://bucket: "):
        open_store("s3://bucket", KEYS | {"AWS_ENDPOINT_URL": endpoint})


async def test_plain_http_is_used_only_where_the_endpoint_says_so(monkeypatch: pytest.MonkeyPatch):
    """A server that speaks plain http hears nothing it could understand from a client that was told https."""
    with servers.scripted(absent) as (url, asked):
        secure = open_store("s3://bucket", KEYS | {"AWS_ENDPOINT_URL": url.replace("http://", "https://")})
        with pytest.raises(Unavailable):
            await secure.get("key")
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)  # found by the client itself, but not among our variables
        with pytest.raises(SetupError, match="plain http is used only where the endpoint variable says http://"):
            await open_store("s3://bucket", KEYS).get("key")
        assert asked == []
        assert await open_store("s3://bucket", KEYS | {"AWS_ENDPOINT_URL": url}).get("key") is None
        assert len(asked) == 1


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"])
async def test_each_of_the_endpoint_variables_is_heard(name: str):
    """The most specific first."""
    with servers.scripted(absent) as (url, asked):
        others = {"AWS_ENDPOINT_URL_S3": {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}}.get(name, {})
        assert await open_store("s3://bucket", KEYS | others | {name: url}).get("key") is None
    assert len(asked) == 1


def test_a_store_that_takes_one_write_a_second_says_so():
    """Google's and Cloudflare's limit for one object; Amazon has none."""
    r2 = KEYS | {"AWS_ENDPOINT_URL": "https://account.r2.cloudflarestorage.com"}
    assert open_store("s3://bucket", r2).commit_gap == 1.0
    assert open_store("s3://bucket", KEYS).commit_gap == 0.0
    assert open_store("gs://bucket/out", NO_HOME).commit_gap == 1.0


# --- the end of a process


def test_a_process_that_used_a_bucket_ends_well(s3: Mapping[str, str], bucket: str):
    """The client's threads are given the moment that they need; without it a third of such processes abort."""
    code = (
        "import asyncio, sys; from counterfoil.locations import open_store\n"
        "async def work():\n"
        "    store = open_store(sys.argv[1])\n"
        "    await asyncio.gather(*(store.get(str(n)) for n in range(50)))\n"
        "asyncio.run(work())"
    )
    command = [sys.executable, "-c", code, f"s3://{bucket}"]
    started = [subprocess.Popen(command, env={**os.environ, **s3}) for _ in range(4)]
    assert [process.wait() for process in started] == [0] * 4
