"""The page without a server: an application on an OUT of made-up records, and a browser's side of it in few words."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from counterfoil.commit import State
from counterfoil.jsonfile import encode
from counterfoil.manifest import Manifest, shard_key, shard_of
from counterfoil.store import Store
from counterfoil.store_memory import MemoryStore
from counterfoil.web_app import application
from counterfoil.web_originals import Originals
from counterfoil.web_session import Sessions
from counterfoil.web_site import Site
from counterfoil.web_watch import Watch

AT = "2026-03-02T09:00:{:02d}Z"
HOSTS = ("127.0.0.1", "localhost")


def record(status: str = "done", *, second: int = 1, **more: Any) -> dict[str, Any]:
    """A record that a run may have left; `more` goes into it, or with `seller`, `gross`, ... into its summary."""
    summary = {
        field: more.pop(name, usual)
        for name, field, usual in (
            ("number", "invoice_number", "N-1"),
            ("date", "issue_date", "2026-01-31"),
            ("seller", "seller_name", "Example Paper GmbH"),
            ("currency", "currency", "EUR"),
            ("gross", "gross_total", "119.00"),
        )
    }
    history = [{"at": AT.format(0), "event": "planned"}, {"at": AT.format(second), "event": status, "by": "w"}]
    finished = status in ("done", "review", "failed")
    outcome = {"reader": "rules", "findings": [], "summary": summary} if status in ("done", "review") else {}
    whole = {"status": status, "attempt": 1, "owner": "w", "mark": "1", "size": 1}
    return whole | {"history": history if finished else history[:1]} | outcome | more


async def write(store: Store, records: Mapping[str, Mapping[str, Any]], *, shards: int = 2) -> None:
    """An OUT with these records."""
    await store.put("manifest.json", encode({"format": "counterfoil/1", "shards": shards, "created": AT.format(0)}))
    for shard in range(shards):
        await put_shard(store, shard, {d: r for d, r in records.items() if shard_of(d, shards) == shard})


async def put_shard(store: Store, shard: int, records: Mapping[str, Any], version: int = 1) -> None:
    await store.put(shard_key(shard), State(version, {"w": {"n": version, "at": version}}, 0, dict(records)).body())


@dataclass
class Browser:
    """One session with the application; `get` follows nothing and keeps cookies as a browser does."""

    site: Site
    client: httpx.AsyncClient

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    async def csrf(self) -> str:
        found = re.search(r'name="csrf" value="([0-9a-f]+)"', (await self.get("/documents")).text)
        assert found
        return found[1]

    async def post(self, path: str, fields: list[tuple[str, str]], **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named["content-type"] = "application/x-www-form-urlencoded"
        return await self.client.post(path, content=str(httpx.QueryParams(fields)), headers=named)


@asynccontextmanager
async def served(
    records: Mapping[str, Mapping[str, Any]], *, token: str | None = None, read_only: bool = False, shards: int = 2
) -> AsyncGenerator[Browser]:
    """The page on these records, asked as http://127.0.0.1:8765."""
    store = MemoryStore("memory://served")
    await write(store, records, shards=shards)
    async with browsing(store, token=token, read_only=read_only) as browser:
        yield browser


@asynccontextmanager
async def browsing(store: Store, *, token: str | None = None, read_only: bool = False) -> AsyncGenerator[Browser]:
    site = Site(Watch(await Manifest.read(store)), Sessions(token, 8765), read_only)
    transport = httpx.ASGITransport(application(site, HOSTS, Originals(site.watch.manifest)))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8765") as client:
        yield Browser(site, client)
