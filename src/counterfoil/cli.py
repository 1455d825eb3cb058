"""The command line: what can be asked for, and how an answer or an error is shown. Everything else is imported late.

Exit codes: 0 all well, 1 some documents failed (or `verify` found a breach), 2 usage or set-up, 3 the
limit of `--max-cost` was reached, 130 interrupted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from .cli_arrivals import watch
from .cli_lab import lab
from .cli_review import review
from .cli_run import run
from .cli_serve import serve
from .cli_words import AS_JSON, OUT, run_to_end

if TYPE_CHECKING:
    pass

T = TypeVar("T")


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
@OUT
@AS_JSON
@click.option("--watch", is_flag=True, help="Look again every two seconds until everything is finished.")
def status(out: str, as_json: bool, watch: bool) -> None:
    """Counts by status, tokens, cost, pace, workers alive, time left."""
    from .command_status import show_status

    run_to_end(show_status(out, as_json=as_json, watch=watch))


@cli.command(name="list")
@OUT
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice(["pending", "running", "done", "review", "failed", "approved", "rejected"]),
)
@AS_JSON
def list_documents(out: str, statuses: Sequence[str], as_json: bool) -> None:
    """One line a document, all or those of a status."""
    from .views import find_documents, print_json, print_records

    rows = run_to_end(find_documents(out, statuses))
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
    from .transitions_review import revision
    from .views import find_document, print_document, print_json

    record, result = run_to_end(find_document(out, document))
    if as_json:
        print_json({"document": document, "revision": revision(record), "record": record, "result": result})
    else:
        print_document(document, record, result)


@cli.command()
@OUT
@click.option("--format", "form", required=True, type=click.Choice(["jsonl", "csv", "parquet", "xlsx", "ubl", "cii"]))
@click.option(
    "--output", metavar="PATH", help="File to write; stdout if not given (jsonl, csv). A folder for ubl, cii."
)
@click.option("--buyer-country", metavar="CC", help="The buyer's country where a document has none (ubl, cii).")
@click.option("--as-extracted", is_flag=True, help="What was read, without what reviewers corrected.")
def export(out: str, form: str, output: str | None, buyer_country: str | None, as_extracted: bool) -> None:
    """Every document with its fields, as one file; or an e-invoice (UBL, CII) of each that is done or approved."""
    if form in ("ubl", "cii"):
        _export_einvoices(out, form, output, buyer_country, as_extracted)
        return
    from .command_export import export_to

    count, where = run_to_end(export_to(out, form, output, as_extracted=as_extracted))
    if where:
        click.echo(f"{count} documents written to {where}", err=True)


def _export_einvoices(out: str, syntax: str, folder: str | None, buyer_country: str | None, as_extracted: bool) -> None:
    from .command_export_einvoice import export_einvoices

    written = run_to_end(export_einvoices(out, syntax, folder, buyer_country, as_extracted=as_extracted))
    for document, problems in written.lacking:
        click.echo(f"{document}: no e-invoice: {'; '.join(problems)}", err=True)
    told = f"{written.count} e-invoices written to {folder}, {len(written.lacking)} lack a term"
    click.echo(f"{told}, {written.not_accepted} documents are neither done nor approved", err=True)


@cli.command(short_help="How right OUT is, beside truths or what reviewers approved.")
@OUT
@click.argument("truth", required=False)
@click.option("--fields", metavar="FIELD,...", default="", help="Compare these fields only, others than the usual too.")
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Only truths of this kind; repeatable.")
@click.option("--errors", is_flag=True, help="Name every mismatch with both values.")
@AS_JSON
def score(out: str, truth: str | None, fields: str, kinds: Sequence[str], errors: bool, as_json: bool) -> None:
    """Compare OUT with truths: a folder of NAME.json for each document NAME, or a CSV with a column file.

    Without TRUTH, compare what was read with what reviewers approved. Accuracy by field, reader, seller and kind, how
    many are done and how many of those are right, worst documents first. Exit 1 if a truth can't be used.
    """
    from .command_score import print_score, score_out

    names = [name.strip() for name in fields.split(",") if name.strip()]
    scored = run_to_end(score_out(out, truth, fields=names, kinds=kinds))
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

    count = run_to_end(send_back(out, statuses, documents))
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

    report = run_to_end(audit(out))
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

    seen = run_to_end(see_batches(out, names, cancel=cancel))
    if as_json:
        print_json([one.as_json() for one in seen])
    else:
        print_batches(seen)
    if cancel:
        count = sum(one.cancelled for one in seen)
        ended = "1 batch was" if count == 1 else f"{count} batches were"
        click.echo(f"{ended} told to end; the next `run` collects what was answered, which is billed", err=True)


cli.add_command(lab)
cli.add_command(review)
cli.add_command(run)
cli.add_command(serve)
cli.add_command(watch)
