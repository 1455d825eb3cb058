"""Where a run works: its source, listed, and the manifest at OUT, opened, with what was found to be otherwise there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from .clock import Clock
from .command_run_options import Options
from .display import Display
from .document import Ocr
from .errors import SetupError
from .extract import recipe
from .form import OwnSchema
from .manifest import Manifest
from .ocr import find_ocr
from .source import Source, count, open_source, shards_for
from .store import Entry

_SHARDS = 64
"""Of an OUT that is made before anybody knows how many documents will come."""


@dataclass(frozen=True, slots=True)
class Place:
    """`known`: the documents that are still to be planned, None if they are too many to keep; `ocr`: what reads scans
    on this machine."""

    source: Source
    manifest: Manifest
    known: Sequence[Entry] | None
    ocr: Ocr


@asynccontextmanager
async def at_out(
    options: Options, schema: OwnSchema | None, display: Display, clock: Clock, *, planned: bool = False
) -> AsyncGenerator[Place]:
    """Opens both. The source is not listed if somebody else sees to it that all of it is `planned`."""
    source, ocr = await asyncio.gather(
        open_source(options.source, out=options.out, include=options.include, limit=options.limit, clock=clock),
        asyncio.to_thread(find_ocr, "never" if options.reader == "xml" else options.ocr, options.languages),
    )
    documents, known = (0, ()) if planned else await count(source)
    if not planned:
        display.found(documents, source)
    read_by = recipe(options.reads, options.asked, options.images, schema, ocr, ours=options.ours)
    about = {"source": source.url, "recipe": read_by, **_columns(schema)}
    shards = options.shards or (_SHARDS if planned else shards_for(documents))
    async with Manifest.open(options.out, shards=shards, about=about, clock=clock, prove_first=False) as manifest:
        _note_differences(manifest, options, about, display)
        yield Place(source, manifest, known, ocr)


def _columns(schema: OwnSchema | None) -> dict[str, Any]:
    """What the header of the manifest says of a schema, for exports: nothing without one."""
    return {"schema": {"name": schema.name, "columns": schema.columns}} if schema else {}


def _refuse_another_schema(begun: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> None:
    """The documents of an OUT are of one kind, or no export could have columns for them all."""
    if begun == now:
        return
    how = "without --schema"
    if begun:
        how = f"by the schema {begun['name']}, with other fields" if now else "with --schema"
    raise SetupError(f"this OUT was begun {how}; documents of another kind need an OUT of their own")


def _note_differences(manifest: Manifest, options: Options, about: Mapping[str, Any], display: Display) -> None:
    """Says where this OUT was begun otherwise than this run would have it."""
    if options.shards and options.shards != manifest.shards:
        display.note(f"this OUT has {manifest.shards} shards, fixed when it was made; --shards is ignored")
    _refuse_another_schema(manifest.header.get("schema"), about.get("schema"))
    if manifest.header.get("recipe") != about["recipe"]:
        display.note(
            "this OUT was begun with another reader, model or schema: what is finished stays as it is, the rest is "
            "read with the new one; `counterfoil retry` sends finished documents through again"
        )
