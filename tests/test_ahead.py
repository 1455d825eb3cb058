"""The laws of reading ahead: the readers do not idle while the model thinks, and nothing stale or unbounded is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

import pytest
from tests.batch import Inline, Mortal, answer_for, folder_of
from tests.virtual import virtual_clock, virtually

from counterfoil.ahead import Ahead
from counterfoil.document import Reading
from counterfoil.errors import InputError
from counterfoil.extract import Examined
from counterfoil.manifest import Manifest
from counterfoil.model import ScriptedModel
from counterfoil.pace import Pace
from counterfoil.pipeline import Run
from counterfoil.settings import Settings, Tools
from counterfoil.source import Source
from counterfoil.store_memory import MemoryStore
from counterfoil.worker import Worker

MARK = "mark of the source"


class Shelf:
    """Documents whose bytes are their names, read in no time; `read` are those that were."""

    def __init__(self, most: int = 100, text: str = "text") -> None:
        self.read: list[str] = []
        self._text = text
        self.ahead = Ahead(self._fetch, self._examine, most, lambda: None)

    async def _fetch(self, document: str, record: Mapping[str, Any]) -> bytes:
        if "gone" in record:
            raise InputError("the file is no longer in the source")
        return document.encode()

    async def _examine(self, document: str, body: bytes) -> Examined:
        self.read.append(body.decode())
        return Examined(Reading("pdf", self._text), None)

    async def go_on(self, *documents: str) -> None:
        self.ahead.go_on(lambda: ((document, {"mark": MARK}) for document in documents))
        await asyncio.sleep(0.01)


def numbered(count: int) -> list[str]:
    return [f"{number:03}" for number in range(count)]


def test_whoever_claims_a_document_that_was_read_ahead_has_it_at_once():
    async def law() -> None:
        shelf = Shelf()
        await shelf.go_on("a", "b")
        early = shelf.ahead.take("a", MARK)
        assert early is not None
        assert (early.digest.result(), early.examined.result().reading.text) == (sha256(b"a").digest(), "text")
        assert shelf.ahead.take("a", MARK) is None

    virtually(law())


def test_a_document_that_changed_after_it_was_read_ahead_is_read_again():
    async def law() -> None:
        shelf = Shelf()
        await shelf.go_on("a")
        assert shelf.ahead.take("a", "another mark") is None

    virtually(law())


def test_what_could_not_be_read_ahead_is_told_to_whoever_claims_it():
    async def law() -> None:
        shelf = Shelf()
        shelf.ahead.begin([("a", {"mark": MARK, "gone": True})])
        early = shelf.ahead.take("a", MARK)
        assert early is not None
        with pytest.raises(InputError, match="no longer"):
            await early.digest

    virtually(law())


def test_no_more_is_read_ahead_than_there_is_room_for():
    async def law() -> None:
        shelf = Shelf(most=40)
        for _ in range(20):
            await shelf.go_on(*numbered(200))
        assert 24 <= len(shelf.read) <= 40

    virtually(law())


def test_large_texts_fill_the_room_sooner():
    async def law() -> None:
        shelf = Shelf(most=200, text="x" * 4_000_000)
        for _ in range(20):
            await shelf.go_on(*numbered(200))
        assert len(shelf.read) == 16

    virtually(law())


def test_what_others_have_claimed_meanwhile_is_let_go():
    async def law() -> None:
        shelf = Shelf(most=40)
        await shelf.go_on(*numbered(16))
        await shelf.go_on("900")
        assert [shelf.ahead.take(document, MARK) for document in numbered(16)] == [None] * 16
        assert shelf.ahead.take("900", MARK) is not None

    virtually(law())


def test_the_next_documents_are_read_while_the_first_wait_for_their_answers():
    """Two calls at once, of 5 s each: the other four are read before the first answer, and claimed after it."""

    async def law() -> None:
        source, clock = await folder_of(6), virtual_clock()
        begun = asyncio.get_running_loop().time()
        read: list[float] = []

        class Watched(Inline):
            async def run(self, function: Callable[..., Any], *args: Any) -> Any:
                read.append(asyncio.get_running_loop().time() - begun)
                return await super().run(function, *args)

        store, model = Mortal(MemoryStore("memory://ahead"), latency=0.01), ScriptedModel(answer_for, latency=5.0)
        async with Manifest.open(store, clock=clock) as manifest, Worker.join(manifest) as worker:
            offload: Any = Watched()
            inline: Any = Inline()
            tools = Tools(Source(source, clock), manifest, worker, offload, inline, Pace(2, clock=clock), model)
            run = Run(tools, Settings(concurrency=2))
            working = asyncio.create_task(run.work())
            await asyncio.sleep(4.0)
            claimed = worker.held
            await working
        assert run.tally.finished["done"] == 6
        assert (claimed, len([moment for moment in read if moment < 5])) == (2, 6)

    virtually(law())
