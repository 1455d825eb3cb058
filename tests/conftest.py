"""What every test may use: coroutines as tests, a clean environment, and real S3 servers where asked for."""

from __future__ import annotations

import asyncio
import inspect
import os
import uuid
from collections.abc import Generator, Mapping

import pytest
from tests import servers


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """A test that is a coroutine function runs in a loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = inspect.signature(pyfuncitem.obj).parameters
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in arguments}))
    return True


@pytest.fixture(autouse=True)
def no_cloud_of_the_developer(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads the variables of whoever runs it."""
    for name in os.environ:
        if name.startswith(("AWS_", "AZURE_", "GOOGLE_")):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The URL of an S3 server that keeps conditional writes."""
    with servers.ministack(tmp_path_factory.mktemp("ministack")) as url:
        yield url


@pytest.fixture(scope="session")
def careless_server(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The URL of an S3 server that ignores If-Match."""
    with servers.localbucket(tmp_path_factory.mktemp("localbucket")) as url:
        yield url


@pytest.fixture
def s3(s3_server: str) -> Mapping[str, str]:
    """The variables that lead to that server."""
    return servers.KEYS | {"AWS_ENDPOINT_URL": s3_server, "HOME": "/nowhere"}


@pytest.fixture
def bucket(s3_server: str) -> str:
    """The name of a new, empty bucket there."""
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    servers.make_bucket(s3_server, name)
    return name
