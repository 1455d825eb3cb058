"""`counterfoil export --format ubl|cii`: an e-invoice of EN 16931 for each accepted document, into a folder.

A file appears whole or not at all, under a name that is safe anywhere. A document that can't be an e-invoice has none,
and it is told why; nothing is made up for it.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from .command_export import Rows
from .countries import ISO_3166
from .errors import SetupError
from .export_cii import write_cii
from .export_complete import complete
from .export_ubl import write_ubl
from .manifest import Manifest

ACCEPTED = ("done", "approved")
_WRITERS = {"ubl": write_ubl, "cii": write_cii}
_LONGEST_NAME = 100


@dataclass(slots=True)
class Written:
    """What came of an export: how many files, how many documents were not accepted, and who lacks what."""

    count: int = 0
    not_accepted: int = 0
    lacking: list[tuple[str, list[str]]] = field(default_factory=list[tuple[str, list[str]]])


async def export_einvoices(
    out: str, syntax: str, folder: str | None, buyer_country: str | None, *, as_extracted: bool = False
) -> Written:
    """Writes the e-invoices of all accepted documents of an OUT. Raises `SetupError` if the folder can't be written."""
    if folder is None:
        raise SetupError(f"--format {syntax} needs --output FOLDER: it writes one file for each document")
    if buyer_country is not None and buyer_country not in ISO_3166:
        raise SetupError(f"--buyer-country {buyer_country[:20]} is no country code of ISO 3166-1, such as DE")
    manifest = await Manifest.read(out)
    if manifest.header.get("schema"):
        raise SetupError(f"--format {syntax} is for invoices, but {out} was read with --schema")
    rows = Rows(manifest, asyncio.get_running_loop(), as_extracted=as_extracted)
    return await asyncio.to_thread(_into_folder, rows, syntax, Path(folder), buyer_country)


def _into_folder(rows: Rows, syntax: str, folder: Path, buyer_country: str | None) -> Written:
    written, taken = Written(), set[str]()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for row in rows:
            if row.status not in ACCEPTED or row.invoice is None:
                written.not_accepted += 1
                continue
            whole, problems = complete(row.invoice, syntax, buyer_country)
            if problems:
                written.lacking.append((row.file, problems))
            else:
                _write(_WRITERS[syntax](whole), folder, _file_name(row.file, taken))
                written.count += 1
    except OSError as exc:
        raise SetupError(f"can't write into {folder}: {exc.strerror}") from exc
    return written


def _write(body: bytes, folder: Path, name: str) -> None:
    descriptor, temporary = tempfile.mkstemp(prefix=f".{name[:40]}-", dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(folder / name)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _file_name(document: str, taken: set[str]) -> str:
    """A name of plain letters that no other document has, also where case does not count; always the same for it."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", document.removesuffix(".xml")).strip("._-")[:_LONGEST_NAME] or "document"
    name = f"{plain}.xml"
    if name.lower() in taken:
        name = f"{plain}-{hashlib.sha256(document.encode('utf-8', 'replace')).hexdigest()[:12]}.xml"
    taken.add(name.lower())
    return name
