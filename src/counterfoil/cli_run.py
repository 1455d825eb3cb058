"""`counterfoil run` on the command line: its options, its report and its exit codes."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .cli_limits import limit_options
from .cli_spread import spread_options
from .cli_watch import watch_options
from .cli_words import location, run_to_end

if TYPE_CHECKING:
    from decimal import Decimal

    from .command_run_options import Options
    from .command_run_report import Report
    from .display import Display
    from .distribute_spread import Spread

T = TypeVar("T")


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


@click.command()
@click.argument("source", metavar="SOURCE", callback=location)
@click.option("--out", required=True, metavar="OUT", callback=location, help="Where the manifest and the results go.")
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
    "--duplicates",
    type=click.Choice(["review", "note", "off"]),
    default="review",
    show_default=True,
    help="The same invoice again, as a copy or in another format. review: the second goes there; note: it is told.",
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
@spread_options
@watch_options
@limit_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end, on stdout.")
@click.option("--quiet", is_flag=True, help="No progress; only failures and errors.")
def run(as_json: bool, quiet: bool, spread: Spread | None, **options: Any) -> None:
    """Read every document of SOURCE and record what was found in OUT.

    Run it again to resume: only what is not finished, new or changed is read. Several runs on one OUT share the work.
    Ctrl-C stops: calls in flight end and are recorded; press it again to stop at once.
    """
    from .command_run_options import Options

    chosen = Options(**options)
    report = shown(chosen, lambda display: _work(chosen, spread, display), quiet=quiet)
    show_report(report, as_json=as_json, quiet=quiet, out=chosen.out, logged=chosen.log_format is not None)
    if report.interrupted:
        raise SystemExit(130)
    if report.cost_reached:
        raise SystemExit(3)
    raise SystemExit(1 if report.summary["failed"] else 0)


def shown(options: Options, work: Callable[[Display], Coroutine[Any, Any, T]], *, quiet: bool) -> T:
    """Does the work to its end, with what is to be seen of it on stderr: a display, or log lines and nothing else."""
    if options.log_format:
        return _logged(options, work, quiet=quiet)
    from .display import Display

    return run_to_end(work(Display(quiet=quiet)))


def _logged(options: Options, work: Callable[[Display], Coroutine[Any, Any, T]], *, quiet: bool) -> T:
    """Up to the reason of an end that it should not have come to."""
    from .display import LogDisplay
    from .errors import CounterfoilError
    from .logs import failed, log_to_stderr

    assert options.log_format is not None
    log_to_stderr(options.log_format, options.log_level)
    try:
        return run_to_end(work(LogDisplay(quiet=quiet)), logged=True)
    except CounterfoilError as exc:
        failed(str(exc))
        raise SystemExit(2) from exc


def _work(options: Options, spread: Spread | None, display: Display) -> Coroutine[Any, Any, Report]:
    """The run by this process, or by those that it starts."""
    if spread is None:
        from .command_run import run_batch

        return run_batch(options, display)
    from .distribute import run_spread

    return run_spread(options, spread, display)


def show_report(report: Report, *, as_json: bool, quiet: bool, out: str, logged: bool) -> None:
    """On stdout what the run came to; on stderr what of it a user must know, unless that is `logged` there."""
    from .views import print_failures, print_json, print_records, print_run

    if report.cost_reached and not logged:
        click.echo("--max-cost is reached: what is left stays pending; raise it and run again to go on", err=True)
    if as_json:
        print_json(report.summary)
    elif not quiet:
        print_records(report.rows)
        print_run(report.summary, out)
    if report.summary["failed"] and not logged and (as_json or quiet or not report.rows):
        print_failures(report.failures, report.summary["failed"])
