"""`counterfoil review`: correct, approve, reject or reopen one document without a browser."""

from __future__ import annotations

import getpass
from collections.abc import Mapping, Sequence
from contextlib import suppress

import click

from .cli_words import AS_JSON, OUT, run_to_end

_NOTHING = "say what to do: --set FIELD=VALUE, --undo FIELD, --approve, --reject REASON or --reopen"


@click.command(short_help="Correct, approve, reject or reopen one document.")
@OUT
@click.argument("document")
@click.option("--set", "values", multiple=True, metavar="FIELD=VALUE", help="Correct a field; repeatable.")
@click.option("--undo", "undone", multiple=True, metavar="FIELD", help="Take a correction back; repeatable.")
@click.option("--approve", is_flag=True, help="It is right, and stays as it is from now on.")
@click.option("--reject", metavar="REASON", help="It is of no use, and why.")
@click.option("--reopen", is_flag=True, help="Take an approval or a rejection back.")
@click.option("--by", metavar="NAME", help="Who you are; your login name if not given.")
@click.option("--seen", metavar="REVISION", type=click.IntRange(0), help="Only if it is still at this revision.")
@AS_JSON
def review(
    out: str,
    document: str,
    values: Sequence[str],
    undone: Sequence[str],
    approve: bool,
    reject: str | None,
    reopen: bool,
    by: str | None,
    seen: int | None,
    as_json: bool,
) -> None:
    """Correct, approve, reject or reopen one document; what was read of it stays beside it.

    FIELD is a name as in `show --json`, such as gross_total or line_items.0.net_amount; VALUE is written as on the
    document, and empty where it says nothing. Corrections and --approve are recorded together or not at all.
    """
    from .command_review import review_one
    from .views import print_document, print_json

    fields = _fields(values, undone)
    if approve + (reject is not None) + reopen > 1 or (fields and (reject is not None or reopen)):
        raise click.UsageError("--approve, --reject and --reopen are one at a time, and only --approve goes with --set")
    if not (fields or approve or reject is not None or reopen):
        raise click.UsageError(_NOTHING)
    act = "approve" if approve else "reject" if reject is not None else "reopen" if reopen else "correct"
    work = review_one(out, document, act, by=by or _login(), seen=seen, fields=fields, reason=reject or "")
    record, result = run_to_end(work)
    if as_json:
        print_json({"document": document, "revision": len(record["history"]), "record": record})
    else:
        print_document(document, record, result)


def _fields(values: Sequence[str], undone: Sequence[str]) -> Mapping[str, str | None]:
    """What is to be said of each field; None for one that is to be as it was read."""
    fields: dict[str, str | None] = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals:
            raise click.UsageError(f"--set {value}: write it FIELD=VALUE")
        fields[name.strip()] = text
    fields |= {name.strip(): None for name in undone}
    if len(fields) < len(values) + len(undone):
        raise click.UsageError("a field is named twice")
    return fields


def _login() -> str:
    with suppress(OSError, KeyError, ImportError):
        return getpass.getuser()
    raise click.UsageError("this machine does not know who you are; say it with --by NAME")
