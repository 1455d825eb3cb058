"""How records, results and reports look on stdout: tables for people, JSON for programs. It reads and prints only."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from .display import cost, duration, printable
from .errors import SetupError
from .transitions import usage_of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from .audit import Audit
    from .commit import Record
    from .jsonfile import Json

_COLORS = {"done": "green", "review": "yellow", "failed": "red", "running": "cyan", "pending": "dim"}
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

_AMOUNTS = frozenset({"net_total", "tax_total", "gross_total", "prepaid", "amount_due"})


def console() -> Console:
    """A console on stdout; where that is no terminal, wide enough that tables are not cut for nothing."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else max(160, shutil.get_terminal_size().columns))


def print_json(value: object) -> None:
    """Indented JSON on stdout."""
    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def amount(text: str | None) -> str:
    """Money for people: at least two decimals, none taken away."""
    if text is None:
        return ""
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction:0<2}"


def _table(*columns: str, right: Sequence[str] = ()) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table


def print_records(rows: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    """One line a document."""
    from rich.text import Text

    table = _table("document", "status", "reader", "number", "date", "seller", "gross", "", "notes", right=("gross",))
    for document, record in sorted(rows, key=lambda row: row[0]):
        summary: Mapping[str, Any] = record.get("summary") or {}
        status = str(record.get("status", ""))
        cells = (
            document,
            status,
            record.get("reader") or "",
            summary.get("invoice_number") or "",
            summary.get("issue_date") or "",
            summary.get("seller_name") or "",
            amount(summary.get("gross_total")),
            summary.get("currency") or "",
            record.get("reason") or ", ".join(record.get("findings") or []),
        )
        texts = [Text(printable(str(cell))) for cell in cells]
        texts[1].stylize(_COLORS.get(status, ""))
        table.add_row(*texts)
    if rows:
        console().print(table)


def print_run(summary: Mapping[str, Any], out: str) -> None:
    """What a run came to, and where to look next."""
    lines = [
        f"{summary['documents']} documents: {summary['done']} done, {summary['review']} in review, "
        f"{summary['failed']} failed, {summary['pending']} not finished",
        f"this run: {summary['paid_calls']} model calls ({_tokens(summary)}, {_cost(summary)}), "
        f"{summary['adopted']} results adopted, {summary['commits']} manifest writes, "
        f"{summary['conflicts']} conflicts, {duration(summary['wall_s'])}",
    ]
    if summary["review"]:
        lines.append(f"in review: look at one with `counterfoil show {out} DOCUMENT`")
    if summary["failed"]:
        lines.append(f"failed: mend what can be mended, then `counterfoil retry {out}` and run again")
    _say(lines)


def _tokens(summary: Mapping[str, Any]) -> str:
    return f"{summary['input_tokens'] + summary['output_tokens']:,} tokens"


def _cost(summary: Mapping[str, Any]) -> str:
    return cost(usage_of({"calls": summary["paid_calls"], "cost_usd": summary["cost_usd"]}))


def _say(lines: Sequence[str]) -> None:
    sys.stdout.write("".join(f"{printable(line)}\n" for line in lines))


def print_failures(failures: Sequence[tuple[str, str]], total: int) -> None:
    """Which documents failed and why, on stderr."""
    for document, reason in failures:
        sys.stderr.write(f"failed: {printable(document)}: {printable(reason)}\n")
    if total > len(failures):
        sys.stderr.write(f"and {total - len(failures)} more: `counterfoil list OUT --status failed`\n")


async def find_document(out: str, document: str) -> tuple[Record, Json | None]:
    """The record and the result (None if it has none) of a document; `SetupError` if it is not known."""
    from .manifest import Manifest
    from .results import Results

    manifest = await Manifest.read(out)
    record = await manifest.get(document)
    if record is None:
        raise SetupError(f"{document}: no such document in {out}; `counterfoil list {out}` names them")
    stored = await Results(manifest.store, manifest.clock).find(record["input"]) if record.get("result") else None
    return record, stored.content if stored else None


def print_document(document: str, record: Record, result: Json | None) -> None:
    """One document for people: what it says, what was found, what happened to it."""
    out = console()
    _say([f"{document}: {record['status']}" + (f", read by {result['reader']}" if result else "")])
    if record.get("reason"):
        _say([record["reason"]])
    if result:
        invoice = result["invoice"]
        _say([f"  {name:<16}{_shown(field, invoice[field])}" for field, name in _HEADER if invoice.get(field)])
        _print_lines(invoice["line_items"], out)
        _say([f"{finding['severity']:<8} {finding['code']}: {finding['message']}" for finding in result["findings"]])
    usage = usage_of(record)
    if usage.calls:
        _say([f"{usage.calls} model calls, {usage.input_tokens + usage.output_tokens:,} tokens, {cost(usage)}"])
    _say([_event(event) for event in record.get("history", [])])


def _shown(field: str, value: str) -> str:
    return amount(value) if field in _AMOUNTS else value


def _event(event: Mapping[str, Any]) -> str:
    more = ", ".join(f"{key} {value}" for key, value in event.items() if key not in ("at", "event"))
    return f"  {event['at']}  {event['event']}" + (f" ({more})" if more else "")


def _print_lines(lines: Sequence[Mapping[str, Any]], out: Console) -> None:
    from rich.text import Text

    if not lines:
        return
    table = _table("description", "quantity", "unit price", "net", right=("quantity", "unit price", "net"))
    for line in lines:
        cells = (line["description"], line["quantity"], line["unit_price"], amount(line["net_amount"]))
        table.add_row(*(Text(printable(str(cell)) if cell is not None else "") for cell in cells))
    out.print(table)


def print_audit(report: Audit) -> None:
    """The audit in words, every breach named."""
    counts = ", ".join(f"{count} {status}" for status, count in report.statuses.items())
    lines = [
        f"{report.documents} documents in {report.shards} shards ({counts}), {report.results} results read",
        *(f"BREACH {b.invariant}: {b.where}: {b.what}" for b in report.breaches),
    ]
    if report.unreferenced:
        lines.append(f"{report.unreferenced} results that no record names (left by a retry or a crash; harmless)")
    lines.append(f"{len(report.breaches)} breaches" if report.breaches else "every invariant holds")
    _say(lines)
