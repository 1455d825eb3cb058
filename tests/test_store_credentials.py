"""Where the keys of a bucket come from: variables, profiles, roles; and what is said where there are none.

Variables are set for the process where the client itself looks for them (roles), and passed in everywhere else.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest
from tests import servers
from tests.servers import Asked

from counterfoil import store_cloud
from counterfoil.errors import CounterfoilError, SetupError, Unavailable
from counterfoil.locations import open_store
from counterfoil.store import Store

NO_HOME = {"HOME": "/nowhere"}
ROLE_KEYS = {
    "Code": "Success",
    "AccessKeyId": "ROLE",
    "SecretAccessKey": "secret",
    "Token": "token",
    "Expiration": "2099-01-01T00:00:00Z",
}


def absent(method: str, path: str) -> tuple[int, bytes]:
    """Says of every key that there is none."""
    return 404, b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>"


def with_role(method: str, path: str) -> tuple[int, bytes]:
    """The metadata service of a machine that has a role, and a bucket without objects."""
    match path:
        case "/latest/api/token":
            return 200, b"session"
        case "/latest/meta-data/iam/security-credentials/":
            return 200, b"the-role"
        case "/latest/meta-data/iam/security-credentials/the-role" | "/v1/credentials":
            return 200, json.dumps(ROLE_KEYS).encode()
        case _ if "list-type=2" in path:
            return 200, b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
        case _:
            return absent(method, path)


async def keys(store: Store, prefix: str = "") -> list[str]:
    return sorted([entry.key async for entry in store.list(prefix)])


def signed_with(asked: list[Asked]) -> set[tuple[str, str]]:
    return {(request.key_id, request.region) for request in asked if request.key_id}


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


async def test_a_role_that_fails_later_may_come_back(monkeypatch: pytest.MonkeyPatch):
    """Once it was good for an answer, a hiccup of the metadata service is no reason to end a run."""
    expired = json.dumps(ROLE_KEYS | {"Expiration": "2020-01-01T00:00:00Z"}).encode()
    away = False

    def reply(method: str, path: str) -> tuple[int, bytes]:
        if away:
            return 503, b""
        return (200, expired) if path.endswith("/the-role") else with_role(method, path)

    with servers.scripted(reply) as (url, _):
        monkeypatch.setenv("AWS_METADATA_ENDPOINT", url)
        store = open_store("s3://bucket/out", NO_HOME | {"AWS_ENDPOINT_URL": url})
        assert [key async for key in store.list()] == []
        away = True
        with pytest.raises(Unavailable):
            await store.get("key")


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
