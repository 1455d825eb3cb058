"""What a finished document leaves: the content of its result object, and the facts of its record. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .claims import Claim
from .document import Data, Finding, Usage
from .extract import Extraction
from .jsonfile import Json
from .results import FORMAT, Stored, findings_of
from .spend import NOTHING, as_json, told_of_claim, usage_of
from .transitions import FINISHED, INPUT_SHOWN

if TYPE_CHECKING:
    from .invoice import Invoice  # a run starts faster without it

_SHOWN = 5
"""Fields of a document of the user's own schema that its record names."""


def result_content(
    claim: Claim, name: str, extraction: Extraction, recipe: Mapping[str, Any], worker: str, at: str
) -> Json:
    """The JSON of a result object. It names the claim that paid for it, so that whoever adopts it can tell."""
    return {
        "format": FORMAT,
        "input": name,
        "document": claim.document,
        "status": extraction.status,
        "reader": extraction.reader,
        "profile": extraction.profile,
        "pages": extraction.pages,
        **_fields(extraction.fields),
        "findings": [asdict(finding) for finding in extraction.findings],
        **({"provenance": dict(extraction.provenance)} if extraction.provenance else {}),
        "usage": as_json(extraction.usage),
        "recipe": dict(recipe),
        "worker": worker,
        "attempt": claim.attempt,
        "written": at,
        **({"request": claim.request} if claim.request else {}),
    }


def _fields(fields: Invoice | Data) -> Json:
    if isinstance(fields, Data):
        return {"schema": fields.schema, "data": dict(fields.values)}
    return {"invoice": fields.model_dump(mode="json")}


def facts_of(name: str, stored: Stored, *, adopted: bool) -> dict[str, Any]:
    """What the record says of a document whose result is `stored`: enough for a list, the rest is in the result."""
    content = stored.content
    return {
        "status": content["status"],
        "input": name,
        "result": stored.key,
        "result_sha256": stored.sha256,
        "reader": content["reader"],
        "adopted": adopted,
        "findings": codes_of(findings_of(content)),
        "summary": summary_of(content),
    }


def codes_of(findings: Iterable[Finding]) -> list[str]:
    """What a record names of its findings: the codes of those that are more than information."""
    return sorted({finding.code for finding in findings if finding.severity != "info"})


def summary_of(content: Json) -> dict[str, Any]:
    """What a list shows of what a document says."""
    if "data" in content:
        scalars = {name: v for name, v in content["data"].items() if isinstance(v, (str, int, float))}
        return {"schema": content["schema"], "data": dict(list(scalars.items())[:_SHOWN])}
    shown = ("invoice_number", "issue_date", "seller_name", "currency", "gross_total")
    return {field: content["invoice"].get(field) for field in shown}


def untold_usage(document: str, history: Sequence[Mapping[str, Any]], content: Json) -> Usage:
    """What the calls behind a result took, less what the history of this document tells of it already; nothing if
    another document paid for it.

    Whoever finished this input first has told all of it, be it who paid or who adopted; a document can come by an input
    twice. If nobody has, the payer was superseded: its calls but the last are told, and that one is counted as lost,
    which it turns out not to be.
    """
    if content["document"] != document:
        return NOTHING
    name = content["input"][:INPUT_SHOWN]
    if any(event["event"] in FINISHED and event.get("input") == name for event in history):
        return NOTHING
    return usage_of(content["usage"]) - told_of_claim(history, content["worker"], content["attempt"])


def usage_of_error(error: BaseException) -> Usage:
    """What was used before `error` ended it: the model's reader leaves it in the error."""
    usage = getattr(error, "usage", None)
    return usage if isinstance(usage, Usage) else Usage()
