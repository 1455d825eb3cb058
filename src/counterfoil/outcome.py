"""What a finished document leaves: the content of its result object, and the facts of its record. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from .document import Usage
from .errors import InputError
from .extract import Extraction
from .jsonfile import Json
from .results import FORMAT, Stored, usage_in
from .transitions import FINISHED, INPUT_SHOWN, money
from .worker import Claim


def result_content(
    claim: Claim, name: str, extraction: Extraction, recipe: Mapping[str, Any], worker: str, at: str
) -> Json:
    """The JSON of a result object. It names the claim that paid for it, so that whoever adopts it can tell."""
    usage = extraction.usage
    return {
        "format": FORMAT,
        "input": name,
        "document": claim.document,
        "status": extraction.status,
        "reader": extraction.reader,
        "profile": extraction.profile,
        "pages": extraction.pages,
        "invoice": extraction.invoice.model_dump(mode="json"),
        "findings": [asdict(finding) for finding in extraction.findings],
        "usage": asdict(usage) | {"cost_usd": money(usage.cost_usd)},
        "recipe": dict(recipe),
        "worker": worker,
        "attempt": claim.attempt,
        "written": at,
    }


def facts_of(name: str, stored: Stored, *, adopted: bool) -> dict[str, Any]:
    """What the record says of a document whose result is `stored`: enough for a list, the rest is in the result."""
    content = stored.content
    invoice = content["invoice"]
    shown = ("invoice_number", "issue_date", "seller_name", "currency", "gross_total")
    return {
        "status": content["status"],
        "input": name,
        "result": stored.key,
        "result_sha256": stored.sha256,
        "reader": content["reader"],
        "adopted": adopted,
        "findings": sorted({finding["code"] for finding in content["findings"] if finding["severity"] != "info"}),
        "summary": {field: invoice.get(field) for field in shown},
    }


def unrecorded_usage(claim: Claim, stored: Stored) -> Usage:
    """What an adopted result cost, if this document paid for it and died before it could say so; else nothing.

    Whoever finished this input first has said it, be it who paid or who adopted; a document can come by an input twice.
    """
    content = stored.content
    if content["document"] != claim.document:
        return Usage()
    name = content["input"][:INPUT_SHOWN]
    told = any(e["event"] in FINISHED and e.get("input") == name for e in claim.record.get("history", []))
    return Usage() if told else usage_in(content)


def usage_of_error(error: BaseException) -> Usage:
    """What was used before `error` ended it: the model's reader leaves it in the error."""
    usage = getattr(error, "usage", None)
    return usage if isinstance(usage, Usage) else Usage()


class Unanswered(InputError):
    """The model gave no answer for this document, however often it was asked; `usage` is what that took."""

    def __init__(self, message: str, usage: Usage) -> None:
        super().__init__(message)
        self.usage = usage
