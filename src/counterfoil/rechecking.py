"""What a result says once a person has corrected it: its invoice, and its findings checked again. Pure functions.

The checks that need the invoice alone are made anew, of what was read and of what is said now, and the findings are
changed by the difference: gone is what the corrections mended, new what they broke. What the checks found by looking at
the page stays, except of a field that a person has looked at and corrected. So a correction never has to wait for the
document to be read again, and one that changes nothing finds nothing new.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from typing import Any, cast

from .document import Finding
from .duplicates import finding_of
from .jsonfile import Json
from .results import findings_of

OUTDATED = "source.changed"


def invoice_said(record: Mapping[str, Any], content: Json) -> Json:
    """The invoice of a result as JSON, with the corrections of its record in force."""
    corrections = record.get("corrections")
    return rechecked(content, corrections)[0] if corrections else content["invoice"]


def findings_said(record: Mapping[str, Any], content: Json) -> tuple[Finding, ...]:
    """The findings that hold of a document now: those of its reading or of what was made of it, and what the batch and
    the source say."""
    corrections = record.get("corrections")
    found = rechecked(content, corrections)[1] if corrections else findings_of(content)
    duplicate, outdated = record.get("duplicate"), record.get("outdated")
    if duplicate:
        found = (*found, finding_of(duplicate))
    if outdated:
        message = f"the file was changed after it was approved (seen at {outdated['at']}): this is of the earlier one"
        found = (*found, Finding("source.changed", "warning", message))
    return found


def rechecked(content: Json, corrections: Mapping[str, Any]) -> tuple[Json, tuple[Finding, ...]]:
    """The corrected invoice of a result as JSON, and its findings."""
    from .corrections import corrected  # with the checks; most documents are as they were read

    before, after = corrected(content["invoice"], {}), corrected(content["invoice"], corrections)
    was, now = (_checked(invoice, content) for invoice in (before, after))
    mended = [finding for finding in was if finding not in now]
    kept = [f for f in findings_of(content) if f not in mended and not _about(f, corrections)]
    return after.model_dump(mode="json"), (*kept, *(f for f in now if f not in was and f not in kept))


def _about(finding: Finding, corrections: Collection[str]) -> bool:
    return finding.field is not None and finding.field in corrections


def _checked(invoice: Any, content: Json) -> list[Finding]:
    """What the checks say of an invoice without its page, as of the day it was read."""
    from .checks import check_invoice

    ours = cast("list[str]", content["recipe"].get("ours", []))
    day = date.fromisoformat(content["written"][:10])
    return check_invoice(invoice, reader=content["reader"], today=day, ours=ours)
