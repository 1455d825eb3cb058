"""What is true of a bucket as a store, beyond the contract in test_store: addresses, credentials, and bad answers.

Variables are set for the process where the client itself looks for them (roles), and passed in everywhere else.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest
from tests import servers
from tests.servers import Asked

from counterfoil import store_cloud
from counterfoil.clock import Clock
from counterfoil.errors import Conflict, CounterfoilError, SetupError, Unavailable
from counterfoil.locations import open_store
from counterfoil.manifest import Manifest
from counterfoil.store import Store

NO_HOME = {"HOME": "/nowhere"}
KEYS = servers.KEYS | NO_HOME
ROLE_KEYS = {
    "Code": "Success",
    "AccessKeyId": "ROLE",
    "SecretAccessKey": "secret",
    "Token": "token",
    "Expiration": "2099-01-01T00:00:00Z",
}


def error(code: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>as it says</Message></Error>".encode()


def absent(method: str, path: str) -> tuple[int, bytes]:
    """Says of every key that there is none."""
    return 404, error("NoSuchKey")


def with_role(method: str, path: str) -> tuple[int, bytes]:
    """The metadata service of a machine that has a role, and a bucket without objects."""
    match path:
        case "/latest/api/token":
            return 200, b"session"
        case "/latest/meta-data/iam/security-credentials/":
            return 200, b"the-role"
        case "/latest/meta-data/iam/security-credentials/the-role" | "/v1/credentials":
            return 200, json.dumps(ROLE_KEYS).encode()
        case _:
            return absent(method, path)


async def keys(store: Store, prefix: str = "") -> list[str]:
    return sorted([entry.key async for entry in store.list(prefix)])


def signed_with(asked: list[Asked]) -> set[tuple[str, str]]:
    return {(request.key_id, request.region) for request in asked if request.key_id}


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


async def test_plain_http_is_used_only_where_the_endpoint_says_so():
    """A server that speaks plain http hears nothing it could understand from a client that was told https."""
    with servers.scripted(absent) as (url, asked):
        secure = open_store("s3://bucket", KEYS | {"AWS_ENDPOINT_URL": url.replace("http://", "https://")})
        with pytest.raises(Unavailable):
            await secure.get("key")
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


# --- credentials


async def soon(operation: Callable[[], Awaitable[object]], within: float) -> CounterfoilError:
    """The error that the operation ends with, in time."""
    started = time.monotonic()
    with pytest.raises(CounterfoilError) as caught:
        await operation()
    assert time.monotonic() - started < within
    return caught.value


@pytest.mark.parametrize("metadata", ["nothing listens", "silence", "no role"])
async def test_no_credentials_at_all_is_one_sentence_within_seconds(metadata: str, monkeypatch: pytest.MonkeyPatch):
    """Whether the address of the machine's role is closed, swallows every packet, or answers that there is none."""
    monkeypatch.setattr(store_cloud, "_METADATA_PATIENCE", 0.3)
    with servers.silent() as silent, servers.scripted(lambda *_: (404, b"")) as (no_role, _):
        closed = f"http://127.0.0.1:{servers.free_port()}"
        url = {"nothing listens": closed, "silence": silent, "no role": no_role}[metadata]
        monkeypatch.setenv("AWS_METADATA_ENDPOINT", url)
        for operation in (lambda s: s.get("key"), lambda s: s.put_new("key", b""), keys):
            store = open_store("s3://bucket/out", NO_HOME)
            told = await soon(lambda op=operation, store=store: op(store), within=2)
            assert isinstance(told, SetupError)
            assert str(told).startswith("s3://bucket/out: no credentials found")
            assert "AWS_ACCESS_KEY_ID" in str(told)


async def test_the_role_of_a_machine_is_used(monkeypatch: pytest.MonkeyPatch):
    """EC2: nothing is set, and the metadata service gives the keys."""
    with servers.scripted(with_role) as (url, asked):
        monkeypatch.setenv("AWS_METADATA_ENDPOINT", url)
        store = open_store("s3://bucket/out", NO_HOME | {"AWS_ENDPOINT_URL": url})
        assert await store.get("key") is None
        assert signed_with(asked) == {("ROLE", "us-east-1")}


async def test_the_role_of_a_container_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """EKS: an address and a token are in the variables; the machine's own role isn't asked for."""
    (tmp_path / "token").write_text("token")
    with servers.scripted(with_role) as (url, asked):
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{url}/v1/credentials")
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(tmp_path / "token"))
        store = open_store("s3://bucket/out", {**os.environ, **NO_HOME, "AWS_ENDPOINT_URL": url})
        assert await store.get("key") is None
        assert [request.path for request in asked] == ["/v1/credentials", "/bucket/out/key"]
        assert signed_with(asked) == {("ROLE", "us-east-1")}


async def test_half_a_key_is_a_set_up_error():
    """It names what is missing."""
    with pytest.raises(SetupError, match="SecretAccessKey"):
        open_store("s3://bucket", NO_HOME | {"AWS_ACCESS_KEY_ID": "id"})


# --- profiles


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".aws").mkdir()
    return tmp_path


def profile(home: Path, credentials: str, config: str) -> None:
    (home / ".aws" / "credentials").write_text(credentials)
    (home / ".aws" / "config").write_text(config)


async def test_a_profile_gives_keys_region_and_endpoint(home: Path):
    """From both of the shared files; the default profile where none is named."""
    with servers.scripted(absent) as (url, asked):
        profile(
            home,
            "[default]\naws_access_key_id = DEFAULT\naws_secret_access_key = s\n"
            "[work]\naws_access_key_id = WORK\naws_secret_access_key = s\naws_session_token = t\n",
            f"[default]\nregion = eu-west-1\nendpoint_url = {url}\n"
            f"[profile work]\nregion = eu-central-1\nendpoint_url = {url}\n",
        )
        for environ in ({}, {"AWS_PROFILE": "work"}, {"AWS_PROFILE": ""}):
            assert await open_store("s3://bucket", {"HOME": str(home), **environ}).get("key") is None
    assert [(request.key_id, request.region) for request in asked] == [
        ("DEFAULT", "eu-west-1"),
        ("WORK", "eu-central-1"),
        ("DEFAULT", "eu-west-1"),
    ]


async def test_a_profile_leads_to_a_real_server(home: Path, s3: Mapping[str, str], bucket: str):
    """Nothing but AWS_PROFILE is set."""
    profile(
        home,
        "[trial]\naws_access_key_id = test\naws_secret_access_key = test\n",
        f"[profile trial]\nendpoint_url = {s3['AWS_ENDPOINT_URL']}\n",
    )
    store = open_store(f"s3://{bucket}/out", {"HOME": str(home), "AWS_PROFILE": "trial"})
    await store.put_new("key", b"x")
    assert await keys(store) == ["key"]


async def test_variables_win_over_the_profile(home: Path):
    """Keys, region and endpoint, each by itself."""
    with servers.scripted(absent) as (url, asked):
        profile(
            home,
            "[default]\naws_access_key_id = FILE\naws_secret_access_key = s\naws_session_token = t\n",
            "[default]\nregion = eu-west-1\nendpoint_url = http://127.0.0.1:1\n",
        )
        environ = {"HOME": str(home), "AWS_ENDPOINT_URL": url}
        keys_too = environ | {"AWS_ACCESS_KEY_ID": "VAR", "AWS_SECRET_ACCESS_KEY": "s"}
        for variables in (environ, keys_too, keys_too | {"AWS_REGION": "ap-south-1"}):
            assert await open_store("s3://bucket", variables).get("key") is None
    assert [(request.key_id, request.region) for request in asked] == [
        ("FILE", "eu-west-1"),
        ("VAR", "eu-west-1"),
        ("VAR", "ap-south-1"),
    ]


def test_an_unknown_profile_is_a_set_up_error(home: Path):
    """It names the profile and the files that were read."""
    profile(home, "[other]\n", "")
    with pytest.raises(SetupError, match=rf"AWS_PROFILE=mine: no such profile in {home}/.aws/config or "):
        open_store("s3://bucket", {"HOME": str(home), "AWS_PROFILE": "mine"})


@pytest.mark.parametrize("text", ["no section\n", "[a]\n[a]\n", "[a]\nnonsense\n"])
def test_profile_files_that_are_broken_are_a_set_up_error(home: Path, text: str):
    """In one sentence."""
    profile(home, text, "")
    with pytest.raises(SetupError, match="the AWS profile files can't be read"):
        open_store("s3://bucket", {"HOME": str(home)})


@pytest.mark.parametrize("line", ["sso_session = s", "role_arn = arn:aws:iam::1:role/r", "credential_process = echo"])
def test_a_profile_that_signs_on_needs_the_extra_and_says_so(home: Path, line: str, monkeypatch: pytest.MonkeyPatch):
    """Named or default, where boto3 is not installed; a profile with keys, or keys in the variables, need none."""
    profile(home, "", f"[default]\n{line}\n[profile mine]\n{line}\n")
    monkeypatch.setitem(sys.modules, "boto3", None)
    for name in ("default", "mine"):
        with pytest.raises(SetupError, match=rf"AWS_PROFILE={name} .* pip install 'counterfoil\[aws\]'"):
            open_store("s3://bucket", {"HOME": str(home), "AWS_PROFILE": name})
    with pytest.raises(SetupError, match=r"counterfoil\[aws\]"):
        open_store("s3://bucket", {"HOME": str(home)})
    open_store("s3://bucket", servers.KEYS | {"HOME": str(home)})


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
