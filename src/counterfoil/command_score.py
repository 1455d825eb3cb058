"""`counterfoil score`: an OUT beside its truths: accuracy by field, precision of `done`, worst documents first."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any, cast

from .command_score_review import approved_truths, got_of
from .commit import Record
from .display import counted
from .errors import SetupError
from .kinds import CONTAINER, counted_as
from .manifest import Manifest
from .results import Results
from .score import INVOICE, Got, Judged, Layout, chosen, judge, layout_of
from .score_truth import Truths, read_truths
from .views import print_json, say

_AT_ONCE = 32
_WORST = 10


@dataclass(frozen=True, slots=True)
class Score:
    """What was judged, worst first, by which layout. `unjudged`: documents of the OUT that no truth speaks of.
    `by_review`: the truths are what reviewers approved."""

    judged: Sequence[Judged]
    layout: Layout
    truths: Truths
    unjudged: int
    by_review: bool = False


async def score_out(out: str, truth: str | None, *, fields: Sequence[str] = (), kinds: Sequence[str] = ()) -> Score:
    """Compares an OUT with a folder of truths or a CSV, or (None) with what its reviewers approved; `fields` are
    compared instead of the usual ones, `kinds` of truths only. Raises `SetupError` where there is nothing to compare.
    """
    manifest = await Manifest.read(out)
    schema = manifest.header.get("schema")
    layout = _layout(schema["columns"] if schema else None, fields)
    records = {d: record async for d, record in manifest.records() if counted_as(record) != CONTAINER}
    results, at_once = Results(manifest.store, manifest.clock), asyncio.Semaphore(_AT_ONCE)
    if truth is None:
        return await _score_reviewed(out, records, results, layout, kinds)
    truths = read_truths(truth, layout)
    if kinds:
        truths.said = {name: said for name, said in truths.said.items() if said.get("kind") in kinds}
    documents = _matched(truths, records)

    async def one(name: str, said: Mapping[str, Any]) -> Judged:
        document = documents.get(name)
        async with at_once:
            got = await _got(records[document], results) if document is not None else None
        return judge(document or name, said, got, layout)

    judged = await asyncio.gather(*(one(name, said) for name, said in truths.said.items()))
    if not judged:
        raise SetupError(f"{truth} has no truth of the kind {', '.join(kinds)}")
    return Score(_worst_first(judged), layout, truths, len(records) - len(documents))


async def _score_reviewed(
    out: str, records: Mapping[str, Record], results: Results, layout: Layout, kinds: Sequence[str]
) -> Score:
    if kinds:
        raise SetupError("--kind is for truths that say their kind; what reviewers approved does not")
    truths, got = await approved_truths(records, results)
    if not truths.said:
        raise SetupError(f"nothing in {out} is approved yet: review some documents, or name a folder of truths")
    judged = [judge(document, said, got[document], layout) for document, said in truths.said.items()]
    return Score(_worst_first(judged), layout, truths, len(records) - len(judged), by_review=True)


def _worst_first(judged: Sequence[Judged]) -> list[Judged]:
    return sorted(judged, key=lambda one: (one.accuracy, one.document))


def _layout(columns: Mapping[str, Any] | None, fields: Sequence[str]) -> Layout:
    from .invoice import Invoice  # late: with a schema of the user's own it is not needed

    layout = layout_of(columns) if columns is not None else INVOICE
    known = set(columns if columns is not None else Invoice.model_fields)
    if unknown := [name for name in fields if name not in known]:
        raise SetupError(f"--fields: there is no field {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    return chosen(layout, fields) if fields else layout


def _matched(truths: Truths, records: Mapping[str, Record]) -> dict[str, str]:
    """The document of each truth: that of its very name, else the only one of this file name, with or without its
    suffix. A truth that may be of several is a bad one."""
    by_name: dict[str, list[str]] = defaultdict(list)
    for document in records:
        path = PurePosixPath(document)
        for name in {path.name, path.stem}:
            by_name[name].append(document)
    found: dict[str, str] = {}
    for name in list(truths.said):
        candidates = [name] if name in records else by_name.get(name, [])
        if len(candidates) > 1:
            truths.bad.append(
                f"{name}: it may be the truth of {' or '.join(sorted(candidates)[:3])}; give it the whole name"
            )
            del truths.said[name]
        elif candidates:
            found[name] = candidates[0]
    return found


async def _got(record: Record, results: Results) -> Got:
    status = str(record.get("status"))
    stored = await results.find(record["input"]) if record.get("result") else None
    if stored is None:
        return Got(status, None, None)
    return replace(got_of(record, stored.content), status=status)


def report(score: Score, *, errors: bool) -> dict[str, Any]:
    """The whole of a score as JSON: shares from 0 to 1."""
    judged, keys = score.judged, score.layout.keys
    done = [one for one in judged if one.got and one.got.status == "done"]
    right = [one for one in done if one.right(keys)]
    worst = [one for one in judged if one.wrong][: None if errors else _WORST]
    return {
        "documents": len(judged),
        "by_review": score.by_review,
        "corrected": sum(bool(said.get("corrected")) for said in score.truths.said.values()),
        "missing": sum(one.got is None for one in judged),
        "without_truth": score.unjudged,
        "overall": _mean(value for one in judged for value in one.scores.values()),
        "all_right": sum(one.right(frozenset(one.scores)) for one in judged),
        "spurious": sum(len(one.spurious) for one in judged),
        "done": {
            "documents": len(done),
            "share": round(len(done) / len(judged), 4),
            "precision": round(len(right) / len(done), 4) if done and keys else None,
            "keys": sorted(keys),
            "wrong": [one.document for one in done if not one.right(keys)],
        },
        "fields": _in_order(_by((n, value) for one in judged for n, value in one.scores.items()), score.layout),
        "readers": _by((_reader(one), value) for one in judged for value in one.scores.values()),
        "sellers": _by((one.seller, value) for one in judged if one.seller for value in one.scores.values()),
        "kinds": _by((one.kind, value) for one in judged if one.kind for value in one.scores.values()),
        "worst": [_document(one) for one in worst],
        "bad_truths": score.truths.bad,
        **({"errors": [_error(one, wrong) for one in judged for wrong in one.wrong]} if errors else {}),
    }


def _reader(one: Judged) -> str:
    return (one.got and one.got.reader) or "none"


def _by(values: Iterable[tuple[str, float]]) -> dict[str, Any]:
    found: dict[str, list[float]] = defaultdict(list)
    for name, value in values:
        found[name].append(value)
    return {name: {"n": len(of), "accuracy": _mean(of)} for name, of in found.items()}


def _in_order(found: Mapping[str, Any], layout: Layout) -> dict[str, Any]:
    names = [*layout.fields, *(f"{name}.{column}" for name, of in layout.lists.items() for column in ("count", *of))]
    return {name: found[name] for name in names if name in found}


def _mean(values: Iterable[float]) -> float:
    known = list(values)
    return round(sum(known) / len(known), 4) if known else 0.0


def _document(one: Judged) -> dict[str, Any]:
    return {
        "document": one.document,
        "status": one.got.status if one.got else "missing",
        "reader": one.got.reader if one.got else None,
        "accuracy": round(one.accuracy, 4),
        "wrong": [wrong.field for wrong in one.wrong],
    }


def _error(one: Judged, wrong: Any) -> dict[str, Any]:
    return {
        "document": one.document,
        "field": wrong.field,
        "truth": _plain(wrong.truth),
        "got": _plain(wrong.got),
        "score": round(one.scores[wrong.field], 4),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(inner) for inner in cast("list[Any]", value)]
    return format(value, "f") if isinstance(value, Decimal) else value


def print_score(score: Score, *, errors: bool, as_json: bool) -> None:
    """The score on stdout."""
    told = report(score, errors=errors)
    if as_json:
        print_json(told)
        return
    _print_shares(told)
    done, done_word = told["done"], "done when read" if told["by_review"] else "done"
    precision = (
        "" if done["precision"] is None else f", {done['precision']:.1%} of them right in {', '.join(done['keys'])}"
    )
    say(
        [
            "",
            _told_documents(told),
            f"{told['all_right']} right in every field, {counted(told['spurious'], 'value')} that should not be there",
            f"{done_word}: {done['documents']} ({done['share']:.1%}){precision}",
            *(f"done, but wrong: {document}" for document in done["wrong"]),
            f"overall {told['overall']:.1%}",
        ]
    )
    _print_worst(told["worst"])
    for error in told.get("errors", ()):
        say([f"{error['document']}: {error['field']}: {_shown(error['got'])} instead of {_shown(error['truth'])}"])


def _told_documents(told: Mapping[str, Any]) -> str:
    documents = counted(told["documents"], "document")
    if told["by_review"]:
        return f"{documents} approved, {told['corrected']} of them corrected, {told['without_truth']} not approved"
    without = f"{told['without_truth']} in OUT without a truth"
    return f"{documents} with a truth, {told['missing']} of them not in OUT, {without}"


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, cast("list[Any]", value))) or "nothing"
    return "nothing" if value in (None, "") else str(value)


def _print_shares(told: Mapping[str, Any]) -> None:
    from .tables import Column, print_table

    columns = (Column(""), Column("values", right=True), Column("right", right=True))
    for title, head in (("fields", "field"), ("readers", "reader"), ("sellers", "seller"), ("kinds", "kind")):
        shares = list(told[title].items())
        if title == "sellers":  # there may be thousands
            shares = sorted(shares, key=lambda of: of[1]["accuracy"])[:_WORST]
        if shares:
            say([""] if title != "fields" else [])
            rows = [[str(name), str(of["n"]), f"{of['accuracy']:.1%}"] for name, of in shares]
            print_table((Column(head, wraps=24), *columns[1:]), rows)


def _wrong(one: Mapping[str, Any]) -> str:
    return ", ".join(one["wrong"]) if one["reader"] else "everything: nothing was read"


def _print_worst(worst: Sequence[Mapping[str, Any]]) -> None:
    from .tables import Column, print_table

    if worst:
        say([""])
        columns = (Column("worst", wraps=32), Column("status"), Column("reader"), Column("right", right=True))
        rows = [
            [one["document"], one["status"], one["reader"] or "", f"{one['accuracy']:.0%}", _wrong(one)]
            for one in worst
        ]
        print_table((*columns, Column("wrong", wraps=24)), rows)
