"""Results by input: one object for each (document bytes, recipe, take), written once and never changed.

Whoever comes second adopts what is there, so one input has one result, whatever crashed or raced in between.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from .clock import Clock
from .document import Finding
from .errors import Conflict, ManifestCorrupt
from .jsonfile import Json, decode
from .store import Store, retried

if TYPE_CHECKING:
    from .invoice import Invoice  # a run starts faster without it

FORMAT = "counterfoil-result/1"
# How often a store may say that a result exists which it does not have, before it is not believed any more.
_PATIENCE = 300.0  # seconds: the answer is paid for, so it waits as long as a register does
_REFUSALS = 10


def input_of(document: bytes, recipe: Mapping[str, Any], take: int) -> str:
    """The name of an input, 64 hex digits: the document (the SHA-256 of its bytes, itself as bytes), how it is read,
    and which deliberate re-reading."""
    how = orjson.dumps([FORMAT, dict(recipe), take], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(how + b"\0" + document).hexdigest()


def result_key(name: str) -> str:
    return f"results/{name[:2]}/{name}.json"


@dataclass(frozen=True, slots=True)
class Stored:
    """A result as it is in the store."""

    key: str
    sha256: str
    content: Json


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


class Results:
    """The `results/` of one OUT."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    async def find(self, name: str) -> Stored | None:
        """The result of an input, None if there is none yet."""
        key = result_key(name)
        found = await retried(self._clock, lambda: self._store.get(key))
        return None if found is None else Stored(key, digest(found.body), content_of(found.body, key))

    async def any(self) -> bool:
        """Whether there is a result at all, of whatever input; one request where there is none."""

        async def listed() -> int:
            return sum([1 async for _ in self._store.list("results")])  # to its end: a listing that is left stays open

        return await retried(self._clock, listed) > 0

    async def keep(self, name: str, body: bytes) -> tuple[Stored, bool]:
        """Writes a result unless there is one; returns the one in force, and whether it is this one."""
        key = result_key(name)
        for attempt in range(_REFUSALS):
            try:
                await retried(self._clock, lambda: self._store.put_new(key, body), patience=_PATIENCE)
            except Conflict:  # somebody else's, or our own whose reply was lost: only reading tells
                if found := await self.find(name):
                    return found, found.sha256 == digest(body)
                await self._clock.back_off(attempt)  # a 409: of several writes at one moment none was taken
            else:
                return Stored(key, digest(body), decode(body, key)), True
        raise ManifestCorrupt(f"{key} was reported to exist, but can't be read; check the store")


def content_of(body: bytes, key: str) -> Json:
    content = decode(body, key)
    if content.get("format") != FORMAT or content.get("status") not in ("done", "review"):
        raise ManifestCorrupt(f"{key} is not a result of this version of Counterfoil ({FORMAT})")
    return content


def invoice_of(content: Json) -> Invoice:
    """The invoice in a result."""
    from .invoice import Invoice

    return Invoice.model_validate(content["invoice"])


def findings_of(content: Json) -> tuple[Finding, ...]:
    """The findings in a result."""
    return tuple(Finding(f["code"], f["severity"], f["message"], f.get("field")) for f in content["findings"])
