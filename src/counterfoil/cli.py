"""The command line: what can be asked for, and how an answer or an error is shown. Everything else is imported late.

Exit codes: 0 all well, 1 some documents failed (or `verify` found a breach), 2 usage or set-up, 3 the
limit of `--max-cost` was reached, 130 interrupted.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from .cli_lab import lab
from .cli_limits import limit_options

if TYPE_CHECKING:
    from decimal import Decimal

    from .command_run import Report

T = TypeVar("T")


def _location(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """Refuses what would be taken for a folder by mistake: an empty variable, a URL with a slash too few."""
    if not value.strip():
        raise click.BadParameter("it is empty; name a folder or a URL (. is this folder)")
    scheme = re.match(r"(s3|gs|gcs|az|azure|file):(?!//)", value, re.IGNORECASE)
    if scheme:
        raise click.BadParameter(f"{value}: write {scheme[1]}://... for a URL, ./{value} for a folder of this name")
    return value


def _dollars(_context: click.Context, _parameter: click.Parameter, value: str | None) -> Decimal | None:
    from decimal import Decimal, InvalidOperation

    try:
        amount = None if value is None else Decimal(value)
        if amount is None or (amount.is_finite() and amount > 0):
            return amount
    except InvalidOperation:
        pass
    raise click.BadParameter(f"{value!r} is no amount above 0 in US dollars, e.g. 2.50")


def _names(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(re.split(r"[,+\s]+", value.strip(" ,+")))) if value is not None else ()
    if all(re.fullmatch(r"[A-Za-z0-9_/-]+", name) and not name.startswith("-") for name in names):
        return names
    raise click.BadParameter(f"{value!r} is no list of Tesseract's languages, e.g. eng,deu")


OUT = click.argument("out", metavar="OUT", callback=_location)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")


class _Group(click.Group):
    """Takes a reader that has seen enough for no error; click would exit with 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise SystemExit(0) from None


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="counterfoil")
def cli() -> None:
    """Turn a folder or a bucket of invoices into checked data.

    Many model calls at once, one manifest of what happened to each document, and nothing lost: in one process, in
    many, on many machines. SOURCE and OUT are folders or s3://, gs://, az://, file:// URLs.
    """


@cli.command()
@click.argument("source", metavar="SOURCE", callback=_location)
@click.option("--out", required=True, metavar="OUT", callback=_location, help="Where the manifest and the results go.")
@click.option("--model", metavar="PROVIDER:NAME", help="Model to ask, e.g. openai:gpt-4.1-mini. Without it: no calls.")
@click.option(
    "--reader",
    type=click.Choice(["auto", "xml", "model", "rules", "both"]),
    default="auto",
    show_default=True,
    help="auto: e-invoice XML where there is some, else the model if one is given, else the offline rules; both: model "
    "and rules against each other.",
)
@click.option(
    "--schema",
    metavar="FILE",
    help="Your own schema, for other documents: FILE.py:CLASS or MODULE:CLASS (Pydantic), or FILE.json.",
)
@click.option(
    "--images",
    type=click.Choice(["auto", "never", "always"]),
    default="auto",
    show_default=True,
    help="Pages the model sees as images. auto: those without text, such as scans; always: all, with their text.",
)
@click.option(
    "--ocr",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="Pages that OCR reads. auto: those without usable text; always: all, whatever text they have.",
)
@click.option(
    "--languages",
    callback=_names,
    metavar="eng,deu,...",
    help="What OCR expects, by Tesseract's names. Without it: of eng, deu, fra, nld, ita, spa what is there.",
)
@click.option(
    "--buyer-tax-id",
    "ours",
    multiple=True,
    metavar="ID",
    help="A tax id of ours; repeatable. What is not addressed to us, or was sent by us, goes to review.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 100_000),
    default=128,
    show_default=True,
    metavar="N",
    help="Most model calls at once.",
)
@click.option(
    "--rpm",
    type=click.IntRange(1, 10_000_000),
    metavar="N",
    help="Most model calls a minute. Without it, the pace is found.",
)
@click.option("--tpm", type=click.IntRange(1), metavar="N", help="Most tokens a minute, of requests and answers.")
@click.option(
    "--max-cost",
    callback=_dollars,
    metavar="USD",
    help="Most that all calls of OUT may cost, in US dollars; then the run ends and the rest stays pending.",
)
@click.option(
    "--max-attempts",
    type=click.IntRange(1, 1000),
    default=6,
    show_default=True,
    metavar="N",
    help="Most calls for one answer, before the document fails.",
)
@click.option(
    "--call-timeout",
    type=click.FloatRange(1.0, 600.0),
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    help="Longest a model call may take; then it is given up and made again.",
)
@click.option(
    "--price",
    metavar="INPUT/OUTPUT",
    help="What the model costs, in dollars for a million tokens, e.g. 0.40/1.60; INPUT/OUTPUT/CACHED for cached input.",
)
@click.option(
    "--batch", is_flag=True, help="Ask by the batch API of openai or anthropic: half the price, within a day."
)
@click.option("--include", multiple=True, metavar="GLOB", help="Only files whose path or name matches; repeatable.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Take the first N documents of SOURCE only.")
@click.option(
    "--shards", type=click.IntRange(1, 10_000), metavar="K", help="Manifest files; by default 1 per 128 documents."
)
@click.option(
    "--lease",
    type=click.FloatRange(1.0),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a silent worker of another machine is taken for alive.",
)
@limit_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end, on stdout.")
@click.option("--quiet", is_flag=True, help="No progress; only failures and errors.")
def run(as_json: bool, quiet: bool, **options: Any) -> None:
    """Read every document of SOURCE and record what was found in OUT.

    Run it again to resume: only what is not finished, new or changed is read. Several runs on one OUT share the work.
    Ctrl-C stops: calls in flight end and are recorded; press it again to stop at once.
    """
    from .command_run import Options, run_batch
    from .display import Display

    report = _run(run_batch(Options(**options), Display(quiet=quiet)))
    _show_report(report, as_json=as_json, quiet=quiet, out=options["out"])
    if report.interrupted:
        raise SystemExit(130)
    if report.cost_reached:
        raise SystemExit(3)
    raise SystemExit(1 if report.summary["failed"] else 0)


def _show_report(report: Report, *, as_json: bool, quiet: bool, out: str) -> None:
    from .views import print_failures, print_json, print_records, print_run

    if report.cost_reached:
        click.echo("--max-cost is reached: what is left stays pending; raise it and run again to go on", err=True)
    if as_json:
        print_json(report.summary)
    elif not quiet:
        print_records(report.rows)
        print_run(report.summary, out)
    if report.summary["failed"] and (as_json or quiet or not report.rows):
        print_failures(report.failures, report.summary["failed"])


@cli.command()
@OUT
@AS_JSON
@click.option("--watch", is_flag=True, help="Look again every two seconds until everything is finished.")
def status(out: str, as_json: bool, watch: bool) -> None:
    """Counts by status, tokens, cost, pace, workers alive, time left."""
    from .command_status import show_status

    _run(show_status(out, as_json=as_json, watch=watch))


@cli.command(name="list")
@OUT
@click.option(
    "--status", "statuses", multiple=True, type=click.Choice(["pending", "running", "done", "review", "failed"])
)
@AS_JSON
def list_documents(out: str, statuses: Sequence[str], as_json: bool) -> None:
    """One line a document, all or those of a status."""
    from .views import print_json, print_records

    async def wanted() -> list[tuple[str, Any]]:
        from .manifest import Manifest

        manifest = await Manifest.read(out)
        return sorted([r async for r in manifest.records() if not statuses or r[1].get("status") in statuses])

    rows = _run(wanted())
    if as_json:
        print_json([{"document": document, **record} for document, record in rows])
    else:
        print_records(rows)


@cli.command(short_help="Record, invoice and findings of one document.")
@OUT
@click.argument("document")
@AS_JSON
def show(out: str, document: str, as_json: bool) -> None:
    """The record, the extracted invoice and every finding of one document."""
    from .views import find_document, print_document, print_json

    record, result = _run(find_document(out, document))
    if as_json:
        print_json({"document": document, "record": record, "result": result})
    else:
        print_document(document, record, result)


@cli.command()
@OUT
@click.option("--format", "form", required=True, type=click.Choice(["jsonl", "csv", "parquet", "xlsx", "ubl", "cii"]))
@click.option(
    "--output", metavar="PATH", help="File to write; stdout if not given (jsonl, csv). A folder for ubl, cii."
)
@click.option("--buyer-country", metavar="CC", help="The buyer's country where a document has none (ubl, cii).")
def export(out: str, form: str, output: str | None, buyer_country: str | None) -> None:
    """Every document with its fields, as one file; or an e-invoice (UBL, CII) of each that is done."""
    if form in ("ubl", "cii"):
        _export_einvoices(out, form, output, buyer_country)
        return
    from .command_export import export_to

    count, where = _run(export_to(out, form, output))
    if where:
        click.echo(f"{count} documents written to {where}", err=True)


def _export_einvoices(out: str, syntax: str, folder: str | None, buyer_country: str | None) -> None:
    from .command_export_einvoice import export_einvoices

    written = _run(export_einvoices(out, syntax, folder, buyer_country))
    for document, problems in written.lacking:
        click.echo(f"{document}: no e-invoice: {'; '.join(problems)}", err=True)
    told = f"{written.count} e-invoices written to {folder}, {len(written.lacking)} lack a term"
    click.echo(f"{told}, {written.not_accepted} documents are not done", err=True)


@cli.command(short_help="How right OUT is, beside a folder or a CSV of truths.")
@OUT
@click.argument("truth")
@click.option("--fields", metavar="FIELD,...", default="", help="Compare these fields only, others than the usual too.")
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Only truths of this kind; repeatable.")
@click.option("--errors", is_flag=True, help="Name every mismatch with both values.")
@AS_JSON
def score(out: str, truth: str, fields: str, kinds: Sequence[str], errors: bool, as_json: bool) -> None:
    """Compare OUT with truths: a folder of NAME.json for each document NAME, or a CSV with a column file.

    Accuracy by field, reader and kind, how many are done and how many of those are right, worst documents first.
    Exit 1 if a truth can't be used.
    """
    from .command_score import print_score, score_out

    names = [name.strip() for name in fields.split(",") if name.strip()]
    scored = _run(score_out(out, truth, fields=names, kinds=kinds))
    print_score(scored, errors=errors, as_json=as_json)
    for sentence in scored.truths.bad:
        click.echo(f"truth not used: {sentence}", err=True)
    raise SystemExit(1 if scored.truths.bad else 0)


@cli.command(short_help="Send documents back to pending, to be read again.")
@OUT
@click.option("--status", "statuses", multiple=True, type=click.Choice(["failed", "review"]))
@click.argument("documents", metavar="[DOCUMENT]...", nargs=-1)
def retry(out: str, statuses: Sequence[Literal["failed", "review"]], documents: Sequence[str]) -> None:
    """Send documents back to pending, history kept: those named, or all of a status (failed if none is given).

    A document that had a result is read anew by the next run, and paid for again if a model reads it.
    """
    from .command_retry import send_back

    count = _run(send_back(out, statuses, documents))
    if count:
        click.echo(f"{count} {'document' if count == 1 else 'documents'} back to pending, for the next run to read")
    else:
        states = [{"failed": "failed", "review": "in review"}[status] for status in statuses or ("failed",)]
        click.echo(f"0 documents back to pending: none is {' or '.join(states)}")


@cli.command()
@OUT
@AS_JSON
def verify(out: str, as_json: bool) -> None:
    """Audit the whole of OUT: every record, history and result. Exit 1 on any breach, naming it."""
    from .audit import audit
    from .views import print_audit, print_json

    report = _run(audit(out))
    if as_json:
        print_json(report.as_json())
    else:
        print_audit(report)
    raise SystemExit(1 if report.breaches else 0)


@cli.command(short_help="Batches at the provider: what they are at; --cancel ends them.")
@OUT
@click.option("--cancel", is_flag=True, help="Tell those that run, or those named, to end.")
@AS_JSON
@click.argument("names", metavar="[NAME]...", nargs=-1)
def batches(out: str, cancel: bool, as_json: bool, names: Sequence[str]) -> None:
    """The batches that runs with --batch have submitted for OUT, as the provider sees them now.

    What a cancelled batch had answered is billed, and collected by the next run. Needs the key that submitted them.
    """
    from .command_batches import print_batches, see_batches
    from .views import print_json

    seen = _run(see_batches(out, names, cancel=cancel))
    if as_json:
        print_json([one.as_json() for one in seen])
    else:
        print_batches(seen)
    if cancel:
        count = sum(one.cancelled for one in seen)
        ended = "1 batch was" if count == 1 else f"{count} batches were"
        click.echo(f"{ended} told to end; the next `run` collects what was answered, which is billed", err=True)


cli.add_command(lab)


def _run(work: Coroutine[Any, Any, T]) -> T:
    from .display import Waiting

    logging.getLogger("counterfoil").addHandler(Waiting())
    return asyncio.run(work)
