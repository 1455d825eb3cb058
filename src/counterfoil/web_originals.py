"""The files that documents were read from, as a person may see them beside what was read.

It promises that only documents of the manifest are looked at, in the source that its header names; that no byte of a
file reaches a browser as it is, only pictures and text made of it in worker processes that can be killed; and that a
bounded number of bytes is kept. It starts no process before somebody looks at a page.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from types import TracebackType
from typing import Any, Self

from .document import Limits
from .errors import CounterfoilError, InputError
from .jsonfile import Json
from .manifest import Manifest
from .offload import Offload
from .results import input_of
from .source import Source, open_source
from .viewing import View, draw, look

_LIMITS = Limits()
_PATIENCE = 20.0
_KEPT = 32_000_000
"""Bytes of drawn pages."""
_KEPT_BODY = 20_000_000
"""Bytes of the file that was fetched last, for its other pages."""


class Originals:
    """The files of one OUT; an async context manager, for the processes that draw them."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._offload = Offload(workers=1, limits=_LIMITS, preload=("counterfoil.viewing", "counterfoil.images"))
        self._source: Source | None = None
        self._fetching = asyncio.Lock()
        self._last: tuple[tuple[str, str], bytes] | None = None
        self._pages: OrderedDict[tuple[str, str, int], bytes] = OrderedDict()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._offload.__aexit__(kind, exc, trace)

    async def view(self, document: str, record: Mapping[str, Any], result: Json | None) -> tuple[View, bool]:
        """What there is to see, and whether the file is another than the one that was read. Raises `InputError`."""
        body = await self._body(document, record)
        view = await _told(self._offload.run, look, body, _LIMITS)
        return view, result is not None and not _is_read_of(body, record, result)

    async def page(self, document: str, record: Mapping[str, Any], number: int) -> bytes:
        """One page as a JPEG. Raises `InputError`."""
        key = (document, str(record.get("mark")), number)
        if key not in self._pages:
            body = await self._body(document, record)
            self._keep(key, await _told(self._offload.run, draw, body, number, _LIMITS))
        self._pages.move_to_end(key)
        return self._pages[key]

    def _keep(self, key: tuple[str, str, int], picture: bytes) -> None:
        self._pages[key] = picture
        while len(self._pages) > 1 and sum(map(len, self._pages.values())) > _KEPT:
            self._pages.popitem(last=False)

    async def _body(self, document: str, record: Mapping[str, Any]) -> bytes:
        """The bytes of a document; taken out of the archive or mail that it is in."""
        key = (document, str(record.get("mark")))
        async with self._fetching:
            if self._last and self._last[0] == key:
                return self._last[1]
            try:
                async with asyncio.timeout(_PATIENCE):
                    body = await self._fetch(document, record.get("within"))
            except TimeoutError as exc:
                raise InputError("the source did not answer in time; look again later") from exc
            except InputError:
                raise
            except CounterfoilError as exc:
                raise InputError(str(exc)) from exc
            self._last = (key, body) if len(body) <= _KEPT_BODY else None
            return body

    async def _fetch(self, document: str, within: str | None) -> bytes:
        source = self._source = self._source or await self._open()
        if within is None:
            return await source.fetch(document, 0, _LIMITS.max_bytes)
        from .containers import extract

        whole = await source.fetch(within, 0, _LIMITS.max_bytes)
        name = document.removeprefix(f"{within}/")
        found = (await self._offload.run(extract, whole, name, _LIMITS, 0))[name]
        if isinstance(found, str):
            raise InputError(found)
        return found

    async def _open(self) -> Source:
        where = self._manifest.header.get("source")
        if not isinstance(where, str):
            raise InputError("this OUT does not say where its documents came from")
        return await open_source(where, out=self._manifest.store.url, clock=self._manifest.clock)


async def _told(run: Callable[..., Awaitable[Any]], *what: Any) -> Any:
    """What a worker process makes of a file; whatever else goes wrong with it is said of the file as well."""
    try:
        return await run(*what)
    except InputError:
        raise
    except CounterfoilError as exc:
        raise InputError(f"it can't be shown: {exc}") from exc


def _is_read_of(body: bytes, record: Mapping[str, Any], result: Json) -> bool:
    """Whether a result was made of these bytes: its input is named by them."""
    return input_of(sha256(body).digest(), result["recipe"], record.get("take", 0)) == record.get("input")
