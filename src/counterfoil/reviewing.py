"""One act of a reviewer on one document, from what they typed to its record: correct, approve, reject, reopen.

It promises that what they typed is read and checked before anything is recorded, that all of it is recorded in one
change or none, and only if the document still is as they saw it (`ReviewConflict` otherwise). No result is touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .amounts import DecimalMark
from .commit import Record
from .errors import ManifestCorrupt, Refused
from .jsonfile import Json
from .manifest import Manifest
from .outcome import codes_of, summary_of
from .rechecking import findings_said, rechecked
from .results import Results, Stored
from .transitions_review import Act, Review, refuse_unfit, refuse_unseen, reviewed, revision

LONGEST_NAME = 60
LONGEST_REASON = 500


async def review(
    manifest: Manifest,
    document: str,
    act: Act,
    *,
    by: str,
    seen: int | None = None,
    fields: Mapping[str, str | None] | None = None,
    reason: str = "",
    mark: DecimalMark | None = None,
) -> Record:
    """Does one act in the name of `by`, and returns the record that it left.

    `seen` is the revision that they looked at (None: what is there now). `fields` are corrections as they were typed,
    by path (None: as it was read); with `approve` they are made first, in the same change. `mark` is the document's
    decimal mark where that is known. Raises `Refused`, or `ReviewConflict` if the document was changed meanwhile; then
    nothing was recorded.
    """
    by, reason = _name(by), _reason(reason, act)
    record = await manifest.get(document)
    if record is None:
        raise Refused(f"{document}: no such document; `counterfoil list` names them")
    seen = revision(record) if seen is None else seen
    refuse_unseen(document, record, seen)
    refuse_unfit(document, record, act)
    if act == "approve":
        await _result(manifest, document, record)  # nobody approves what is not there
    changes, facts = await _corrections(manifest, document, record, fields or {}, mark)
    if act == "correct" and not changes:
        return record
    done = Review(document, act, by, seen, reason, changes, facts)
    left = await manifest.register_of(document).commit(reviewed(done, manifest.clock.stamp()))
    return dict(left[document])


def _name(by: str) -> str:
    name = " ".join(by.split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise Refused(f"a reviewer needs a name of 1 to {LONGEST_NAME} letters, so that others know whom to ask")
    return name


def _reason(reason: str, act: Act) -> str:
    said = " ".join(reason.split())
    if act == "reject" and not said:
        raise Refused("say why it is rejected, in a few words")
    if len(said) > LONGEST_REASON:
        raise Refused(f"the reason has {len(said)} characters, more than {LONGEST_REASON}")
    return said


async def _corrections(
    manifest: Manifest, document: str, record: Record, fields: Mapping[str, str | None], mark: DecimalMark | None
) -> tuple[dict[str, tuple[Any, Any]], dict[str, Any]]:
    """What changes by path, from and to, and what becomes of the record by it."""
    if not fields:
        return {}, {}
    stored = await _result(manifest, document, record)
    if "invoice" not in stored.content:
        raise Refused(f"{document}: it was read by a schema of your own, whose fields can't be corrected here")
    return corrections_made(record, stored.content, fields, mark)


async def _result(manifest: Manifest, document: str, record: Record) -> Stored:
    stored = await Results(manifest.store, manifest.clock).find(record["input"]) if record.get("result") else None
    if stored is None:
        raise ManifestCorrupt(f"{document}: its result is missing; `counterfoil retry` has it read anew")
    return stored


def corrections_made(
    record: Mapping[str, Any], content: Json, fields: Mapping[str, str | None], mark: DecimalMark | None = None
) -> tuple[dict[str, tuple[Any, Any]], dict[str, Any]]:
    """What these fields, as typed (None: as it was read), change by path, from and to; and the facts that they leave in
    the record. Pure. A field that says what was read is no correction. Raises `Refused` for what can't be understood.
    """
    from .corrections import same, value_of

    read, old = content["invoice"], dict(record.get("corrections") or {})
    new = _in_force(read, old, fields, mark)

    def before(path: str) -> Any:
        return old.get(path, value_of(read, path))

    def after(path: str) -> Any:
        return new.get(path, value_of(read, path))

    moved = [path for path in {**old, **new} if (path in old) != (path in new) or not same(old[path], new[path], path)]
    return {path: (before(path), after(path)) for path in moved}, _facts(record, content, new)


def _in_force(
    read: Json, old: Mapping[str, Any], fields: Mapping[str, str | None], mark: DecimalMark | None
) -> dict[str, Any]:
    """The corrections in force, by path, once these fields are said too."""
    from .corrections import corrected, kind_of, lengths, same, typed, value_of

    new = dict(old)
    for path, text in fields.items():
        kind_of(path)  # refuses what is no field
        value = typed(lengths(read, new), path, text or "", mark) if text is not None else value_of(read, path)
        if path.count(".") == 1:  # a whole line, and whatever was said of its fields
            new = {other: v for other, v in new.items() if not other.startswith(f"{path}.")}
        new[path] = value
    said = corrected(read, new).model_dump(mode="json")
    new |= {path: said[path] for path in new if "." not in path}  # an IBAN without its spaces, a currency in capitals
    return {path: value for path, value in new.items() if not same(value_of(read, path), value, path)}


def _facts(record: Mapping[str, Any], content: Json, corrections: Mapping[str, Any]) -> dict[str, Any]:
    said = {**content, "invoice": rechecked(content, corrections)[0]} if corrections else content
    findings = findings_said({**record, "corrections": corrections}, content)
    return {"corrections": dict(corrections), "findings": codes_of(findings), "summary": summary_of(said)}
