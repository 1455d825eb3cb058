"""How records, results and reports look on stdout: tables for people, JSON for programs. It reads and prints only."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import orjson

from .display import counted, duration, printable, spending
from .errors import SetupError
from .kinds import CONTAINER
from .spend import usage_of
from .transitions_review import corrections_told, told_verdict

if TYPE_CHECKING:
    from .audit import Audit
    from .commit import Record
    from .jsonfile import Json

_COLORS = {
    "done": "green",
    "review": "yellow",
    "failed": "red",
    "running": "cyan",
    "pending": "dim",
    "approved": "bold green",
    "rejected": "magenta",
}
_HEADER = (
    ("invoice_number", "invoice number"),
    ("issue_date", "issue date"),
    ("due_date", "due date"),
    ("seller_name", "seller"),
    ("seller_tax_id", "seller tax id"),
    ("buyer_name", "buyer"),
    ("currency", "currency"),
    ("net_total", "net"),
    ("tax_total", "tax"),
    ("gross_total", "gross"),
    ("prepaid", "prepaid"),
    ("amount_due", "amount due"),
    ("iban", "IBAN"),
)

_NAMED = 3
_AMOUNTS = frozenset({"net_total", "tax_total", "gross_total", "prepaid", "amount_due"})


def print_json(value: object) -> None:
    """Indented JSON on stdout."""
    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def amount(text: str | None) -> str:
    """Money for people: at least two decimals, none taken away."""
    if text is None:
        return ""
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction:0<2}"


def print_records(rows: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    """One line a document; nothing if there are none."""
    from .tables import Column, print_table

    columns = (
        Column("document", wraps=32),
        Column("status", styles=_COLORS),
        Column("reader", goes=1),
        Column("number", wraps=16, goes=4),
        Column("date", goes=2),
        Column("seller", wraps=16, goes=3),
        Column("gross", right=True),
        Column(""),
        Column("notes", wraps=20),
    )
    if rows:
        print_table(columns, [_row(document, record) for document, record in sorted(rows, key=lambda row: row[0])])


def _row(document: str, record: Mapping[str, Any]) -> list[str]:
    summary: Mapping[str, Any] = record.get("summary") or {}
    data = (f"{name} {value}" for name, value in summary.get("data", {}).items())
    notes = [*data, *map(partial(_told, record), record.get("findings", [])), *_again(record)]
    notes += [f"corrected: {', '.join(record['corrections'])}"] if record.get("corrections") else []
    verdict = told_verdict(record) if record.get("verdict") else None
    cells = (
        document,
        record.get("status"),
        record.get("reader"),
        summary.get("invoice_number"),
        summary.get("issue_date"),
        summary.get("seller_name"),
        amount(summary.get("gross_total")),
        summary.get("currency"),
        verdict or record.get("reason") or ", ".join(notes),
    )
    return [printable(str(cell or "")) for cell in cells]


def _told(record: Mapping[str, Any], code: str) -> str:
    """The code of a finding; of a duplicate with the document that came first."""
    duplicate = record.get("duplicate")
    return f"{code} of {duplicate['of']}" if duplicate and duplicate["code"] == code else code


def _again(record: Mapping[str, Any]) -> list[str]:
    """The documents that are the same invoice again, the first few by name."""
    again: Sequence[str] = record.get("duplicates", ())
    more = [f"{len(again) - _NAMED} more"] if len(again) > _NAMED else []
    return [f"again as {', '.join([*again[:_NAMED], *more])}"] if again else []


def print_run(summary: Mapping[str, Any], out: str) -> None:
    """What a run came to, and where to look next."""
    lines = [
        f"{counted(summary['documents'], 'document')}: {summary['done']} done, {summary['review']} in review, "
        f"{summary['failed']} failed, {_reviewed(summary)}{summary['pending']} not finished{_containers(summary)}",
        f"this run: {spending(usage_of({**summary, 'calls': summary['paid_calls']}))}; "
        f"{counted(summary['adopted'], 'result')} adopted, {counted(summary['commits'], 'manifest write')}, "
        f"{counted(summary['conflicts'], 'conflict')}, {duration(summary['wall_s'])}",
    ]
    if summary["pending"]:
        lines.append("not finished: the same `run` again goes on with what is left")
    if summary["review"]:
        lines.append(f"in review: look at one with `counterfoil show {out} DOCUMENT`")
    if summary["failed"]:
        lines.append(f"failed: mend what can be mended, then `counterfoil retry {out}` and run again")
    say(lines)


def _reviewed(summary: Mapping[str, Any]) -> str:
    return "".join(f"{summary[status]} {status}, " for status in ("approved", "rejected") if summary[status])


def _containers(summary: Mapping[str, Any]) -> str:
    opened = summary["containers"]
    return f"; {counted(opened, 'archive or mail', 'archives and mails')} opened for them" if opened else ""


def say(lines: Sequence[str]) -> None:
    """These lines on stdout, with nothing that a terminal would obey."""
    sys.stdout.write("".join(f"{printable(line)}\n" for line in lines))


def print_failures(failures: Sequence[tuple[str, str]], total: int) -> None:
    """Which documents failed and why, on stderr."""
    for document, reason in failures:
        sys.stderr.write(f"failed: {printable(document)}: {printable(reason)}\n")
    if total > len(failures):
        sys.stderr.write(f"and {total - len(failures)} more: `counterfoil list OUT --status failed`\n")


async def find_documents(out: str, statuses: Collection[str]) -> list[tuple[str, Record]]:
    """The documents of these statuses (all if there are none) with their records, sorted; each that came first names
    those that are the same invoice again."""
    from .duplicates import named, seconds_in
    from .manifest import Manifest

    rows: list[tuple[str, Record]] = []
    again: list[tuple[str, Record]] = []
    async for document, record in (await Manifest.read(out)).records():
        if not statuses or record.get("status") in statuses:
            rows.append((document, record))
        if "duplicate" in record:
            again.append((document, record))
    seconds = seconds_in(again)
    return sorted((document, named(document, record, seconds)) for document, record in rows)


async def find_document(out: str, document: str) -> tuple[Record, Json | None]:
    """The record and the result (None if it has none) of a document; `SetupError` if it is not known."""
    from .duplicates import named, seconds_of
    from .manifest import Manifest
    from .results import Results

    manifest = await Manifest.read(out)
    record = await manifest.get(document)
    if record is None:
        raise SetupError(f"{document}: no such document in {out}; `counterfoil list {out}` names them")
    stored = await Results(manifest.store, manifest.clock).find(record["input"]) if record.get("result") else None
    return named(document, record, await seconds_of(manifest)), stored.content if stored else None


def print_document(document: str, record: Record, result: Json | None) -> None:
    """One document for people: what it says, what was found, what happened to it."""
    from .rechecking import findings_said, invoice_said

    say([f"{document}: {record['status']}" + (f", read by {result['reader']}" if result else "")])
    if record.get("verdict"):
        say([told_verdict(record)])
    if record.get("reason"):
        say([record["reason"]])
    if result:
        if "data" in result:
            say([*_outline(result["data"], "  "), ""])
        elif result["reader"] != CONTAINER:
            _print_invoice(invoice_said(record, result), result.get("provenance") or {}, corrections_told(record))
        say([f"{finding.severity:<8} {finding.code}: {finding.message}" for finding in findings_said(record, result)])
        say([f"the same invoice again: {second}" for second in record.get("duplicates", ())])
    elif record.get("result"):
        say([f"its result {record['result']} is missing; `counterfoil retry`, then `counterfoil run`, read it anew"])
    usage = usage_of(record)
    if usage.calls:
        say([spending(usage)])
    say(["", *(_event(event) for event in record.get("history", []))])


def _print_invoice(invoice: Mapping[str, Any], came: Mapping[str, Any], corrections: Mapping[str, str]) -> None:
    shown = [(name, _shown(field, invoice[field]), field) for name, field in _named(invoice)]
    width = min(max((len(value) for _, value, _ in shown), default=0), 40)
    said = [(name, value, corrections.get(field) or _origin(came.get(field))) for name, value, field in shown]
    say([f"  {name:<16}{value:<{width}}  {origin}".rstrip() for name, value, origin in said])
    known = {field for _, field in _named(invoice)}
    say([f"  {path:<16} {told}" for path, told in corrections.items() if path not in known])
    if invoice["line_items"]:
        say([""])
        _print_lines(invoice["line_items"])
    say([""])


def _named(invoice: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name, field) for field, name in _HEADER if invoice.get(field)]


def _outline(value: Any, indent: str) -> Iterator[str]:
    """What was read by a schema of the user's own, a value a line; what is null is left out."""
    named = cast("Mapping[str, Any]", value).items() if isinstance(value, Mapping) else enumerate(value, 1)
    for name, inner in cast("Iterable[tuple[object, Any]]", named):
        if isinstance(inner, (Mapping, list)):
            yield f"{indent}{name}"
            yield from _outline(inner, indent + "  ")
        elif inner is not None:
            yield f"{indent}{name!s:<20} {inner}"


def _origin(came: Mapping[str, Any] | None) -> str:
    """Where a field came from and what confirms it, in few words; nothing of a result that does not say."""
    if came is None:
        return ""
    source = "" if came["source"] == "page" and "page" in came else came["source"]
    where = ", ".join(filter(None, (source, f"page {came['page']}" if "page" in came else "")))
    return f"({where}, {'confirmed by ' + came['by'] if came['confirmed'] else 'not confirmed'})"


def _shown(field: str, value: str) -> str:
    return amount(value) if field in _AMOUNTS else value


def _event(event: Mapping[str, Any]) -> str:
    changed = [f"{p} from {_plain(c['from'])} to {_plain(c['to'])}" for p, c in event.get("fields", {}).items()]
    others = (f"{key} {value}" for key, value in event.items() if key not in ("at", "event", "seen", "fields"))
    more = ", ".join([*others, *changed])
    return f"  {event['at']}  {event['event']}" + (f" ({more})" if more else "")


def _plain(value: Any) -> str:
    return "nothing" if value is None else str(value)


def _print_lines(lines: Sequence[Mapping[str, Any]]) -> None:
    from .tables import Column, print_table

    figures = (Column(name, right=True) for name in ("quantity", "unit price", "net"))
    cells = [(x["description"], x["quantity"], x["unit_price"], amount(x["net_amount"])) for x in lines]
    rows = [["", *(printable(str(cell)) if cell is not None else "" for cell in row)] for row in cells]
    print_table((Column(""), Column("description", wraps=20), *figures), rows)


def _spending(report: Audit) -> list[str]:
    """What the records say was spent, and what none of them can say yet."""
    if not (report.spent.calls or report.calls_out or report.in_batches or report.untold):
        return []
    open_ends = [f"{counted(report.calls_out, 'call')} more out"] if report.calls_out else []
    open_ends += [f"{counted(report.in_batches, 'request')} in batches"] if report.in_batches else []
    open_ends += [f"{counted(report.untold, 'result')} to be told by the next run"] if report.untold else []
    return ["; ".join([spending(report.spent), *open_ends])]


def print_audit(report: Audit) -> None:
    """The audit in words, every breach named."""
    counts = ", ".join(f"{count} {status}" for status, count in report.statuses.items())
    lines = [
        f"{counted(report.documents, 'document')} in {counted(report.shards, 'shard')}"
        f"{f' ({counts})' if counts else ''}, {counted(report.results, 'result')} read",
        *_spending(report),
        *(f"BREACH {b.invariant}: {b.where}: {b.what}" for b in report.breaches),
    ]
    if report.unreferenced:
        unnamed = counted(report.unreferenced, "result")
        lines.append(f"{unnamed} that no record names (left by a retry or a crash; harmless)")
    lines.append(counted(len(report.breaches), "breach", "breaches") if report.breaches else "every invariant holds")
    say(lines)
