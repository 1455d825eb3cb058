"""`counterfoil export`: every document of an OUT with its fields, streamed into one file or to stdout."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from .commit import Record
from .duplicates import seconds_of
from .errors import ManifestCorrupt, SetupError
from .export import FORMATS, Row
from .export_data import Writer, data_writer
from .jsonfile import Json
from .kinds import CONTAINER, counted_as
from .manifest import Manifest
from .rechecking import findings_said, invoice_said
from .results import Results, invoice_of

T = TypeVar("T")
_TEXT = ("jsonl", "csv")
_AT_ONCE = 32


async def export_to(out: str, form: str, output: str | None, *, as_extracted: bool = False) -> tuple[int, str | None]:
    """Writes all documents, ordered by name within a shard; returns their number and the file (None: stdout).

    `as_extracted`: what was read, without the corrections of reviewers. A file appears whole or not at all.
    """
    if output is None and form not in _TEXT:
        raise SetupError(f"--format {form} needs --output FILE: it can't go to a terminal")
    manifest = await Manifest.read(out)
    rows = Rows(manifest, asyncio.get_running_loop(), as_extracted=as_extracted)
    schema = manifest.header.get("schema")
    write = data_writer(form, schema["columns"]) if schema else FORMATS[form]
    if output is None:
        return await asyncio.to_thread(write, rows, sys.stdout.buffer), None
    return await asyncio.to_thread(_into_file, rows, write, Path(output)), output


def _into_file(rows: Rows, write: Writer, path: Path) -> int:
    path = path.resolve()  # a link stays, what it points to is replaced
    if path.exists() and not path.is_file():
        raise SetupError(f"can't write {path}: it is no regular file; without --output, jsonl and csv go to stdout")
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:40]}-", dir=path.absolute().parent)
    except OSError as exc:
        raise SetupError(f"can't write {path}: {exc.strerror}") from exc
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            count = write(rows, file)
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as exc:
        raise SetupError(f"can't write {path}: {exc.strerror}") from exc
    finally:
        temporary.unlink(missing_ok=True)
    return count


class Rows:
    """Rows for a writer that runs in a thread, read from the store a shard at a time on the loop."""

    def __init__(self, manifest: Manifest, loop: asyncio.AbstractEventLoop, *, as_extracted: bool = False) -> None:
        self._manifest, self._loop, self._as_extracted = manifest, loop, as_extracted
        self._results = Results(manifest.store, manifest.clock)
        self._seconds: Mapping[str, Sequence[str]] = {}

    def __iter__(self) -> Iterator[Row]:
        self._seconds = self._wait(seconds_of(self._manifest))
        for shard in sorted(self._wait(self._manifest.marks())):
            yield from self._wait(self._shard(shard))

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _shard(self, shard: int) -> Sequence[Row]:
        state = await self._manifest.read_shard(shard)
        at_once = asyncio.Semaphore(_AT_ONCE)

        async def one(document: str, record: Record) -> Row:
            async with at_once:
                return await self._row(document, record)

        documents = [d for d, record in sorted(state.records.items()) if counted_as(record) != CONTAINER]
        return await asyncio.gather(*(one(document, state.records[document]) for document in documents))

    async def _row(self, document: str, record: Record) -> Row:
        status, reason = str(record.get("status")), _reason(record)
        if not record.get("result"):
            return Row(document, status, None, None, (), reason, duplicates=self._seconds.get(document, ()))
        stored = await self._results.find(record["input"])
        if stored is None:
            raise ManifestCorrupt(
                f"{document}: its result {record['result']} is missing; `counterfoil retry` has it read anew"
            )
        content = stored.content
        said: Record = {**record, "corrections": {}} if self._as_extracted else record
        first, again = record.get("duplicate", {}).get("of"), self._seconds.get(document, ())
        corrected = tuple(said.get("corrections") or ())
        about: dict[str, Any] = {"duplicate_of": first, "duplicates": again, "corrected": corrected}
        findings = findings_said(said, content)
        if "data" in content:
            return Row(document, status, content["reader"], None, findings, reason, content["data"], **about)
        invoice = invoice_of({"invoice": invoice_said(said, content)})
        return Row(document, status, content["reader"], invoice, findings, reason, **about)


def _reason(record: Record) -> str | None:
    """Why it was rejected, else why it failed."""
    verdict: Json = record.get("verdict") or {}
    return verdict.get("reason") or record.get("reason")
