"""Reviews: what a person may do to a document, what is recorded of it, and that nobody's work is overwritten."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.batch import Process, invoice_pdf
from tests.virtual import virtual_clock, virtually

from counterfoil import transitions
from counterfoil.audit import audit
from counterfoil.cli import cli
from counterfoil.command_score import score_out
from counterfoil.commit import Record
from counterfoil.errors import ManifestCorrupt, Refused, ReviewConflict, SetupError
from counterfoil.jsonfile import Json, encode
from counterfoil.locations import open_store
from counterfoil.manifest import Manifest
from counterfoil.rechecking import findings_said, invoice_said
from counterfoil.results import FORMAT, Results, result_key
from counterfoil.reviewing import corrections_made, review
from counterfoil.store import Store
from counterfoil.store_memory import MemoryStore
from counterfoil.transitions_review import Review, corrections_told, reviewed, revision

LINES = [
    {"description": "Paper", "quantity": "2", "unit_price": "40.00", "net_amount": "80.00"},
    {"description": "Ink", "quantity": "1", "unit_price": "20.00", "net_amount": "20.00"},
]
INVOICE: Json = {
    "doc_type": "invoice",
    "invoice_number": "N-1",
    "issue_date": "2026-01-05",
    "currency": "EUR",
    "seller_name": "Paper Mill Ltd",
    "net_total": "100.00",
    "tax_total": "19.00",
    "gross_total": "191.00",
    "line_items": LINES,
}
AT = "2026-01-06T10:00:00Z"


def content_of(invoice: Json = INVOICE, **changes: Any) -> Json:
    """A result as `outcome` writes it, whose gross total has two digits the wrong way round."""
    findings = [
        {"code": "amounts.gross", "severity": "error", "message": GROSS, "field": "gross_total"},
        {"code": "page.gross_total", "severity": "error", "message": "of the page", "field": "gross_total"},
        {"code": "page.unread", "severity": "error", "message": "page 2 was not read", "field": None},
    ]
    said = {"format": FORMAT, "input": "ab" * 32, "document": "a.pdf", "status": "review", "reader": "rules"}
    told = {"findings": findings, "recipe": {}, "written": AT, "usage": {}, "worker": "w", "attempt": 1}
    return said | told | {"invoice": invoice} | changes


GROSS = "net 100.00 + tax 19.00 is 119.00, but the gross total is 191.00"


async def manifest_with(store: Store, **record: Any) -> None:
    """An OUT with one document, read and in review."""
    content = content_of()
    await store.put(result_key(content["input"]), encode(content))
    finished: Record = {
        "status": "review", "owner": "w", "attempt": 1, "mark": "m1", "size": 1, "input": content["input"],
        "result": result_key(content["input"]), "reader": "rules", "history": [{"at": AT, "event": "review"}],
    }  # fmt: skip
    async with Manifest.open(store, clock=virtual_clock()) as manifest:
        await manifest.update("a.pdf", lambda _: finished | record)


def on_one_document(law: Any, **record: Any) -> Any:
    """Runs a law on an open manifest with one document in review."""

    async def story() -> Any:
        store = MemoryStore()
        await manifest_with(store, **record)
        async with Manifest.open(store, clock=virtual_clock()) as manifest:
            return await law(manifest)

    return virtually(story())


# --- what a correction does


def test_a_correction_is_recorded_beside_what_was_read_and_the_result_stays_as_it_was():
    """Who, when, from, to; the findings and the summary are those of the corrected invoice."""

    async def law(manifest: Manifest) -> None:
        results = Results(manifest.store, manifest.clock)
        before = await results.find("ab" * 32)
        record = await review(manifest, "a.pdf", "correct", by="anna", fields={"gross_total": "119,00 €"})
        assert record["corrections"] == {"gross_total": "119.00"}
        assert (record["status"], record["summary"]["gross_total"]) == ("review", "119.00")
        assert record["findings"] == ["page.unread"]
        event = record["history"][-1]
        assert (event["event"], event["by"], event["seen"]) == ("corrected", "anna", 1)
        assert event["fields"] == {"gross_total": {"from": "191.00", "to": "119.00"}}
        assert await results.find("ab" * 32) == before

    on_one_document(law)


def test_corrections_and_approval_are_one_change():
    """So that nobody sees the one without the other."""

    async def law(manifest: Manifest) -> None:
        record = await review(manifest, "a.pdf", "approve", by="anna", fields={"gross_total": "119"}, reason="checked")
        assert (record["status"], len(record["history"])) == ("approved", 2)
        assert record["verdict"] == {"by": "anna", "at": record["history"][-1]["at"], "reason": "checked"}

    on_one_document(law)


def test_nobody_approves_a_document_whose_result_is_missing():
    """There would be nothing that was approved."""

    async def law(manifest: Manifest) -> None:
        await manifest.store.delete(result_key("ab" * 32))
        with pytest.raises(ManifestCorrupt, match="its result is missing"):
            await review(manifest, "a.pdf", "approve", by="anna")
        record = await manifest.get("a.pdf")
        assert record is not None
        assert record["status"] == "review"

    on_one_document(law)


def test_a_correction_taken_back_leaves_what_was_read():
    """By undoing it, or by typing what was there, whatever its zeros; both are in the history."""

    async def law(manifest: Manifest) -> None:
        for back in (None, "191.0"):
            await review(manifest, "a.pdf", "correct", by="anna", fields={"gross_total": "119"})
            record = await review(manifest, "a.pdf", "correct", by="ben", fields={"gross_total": back})
            assert "corrections" not in record
            assert record["findings"] == ["amounts.gross", "page.gross_total", "page.unread"]
            assert record["history"][-1]["fields"] == {"gross_total": {"from": "119", "to": "191.00"}}

    on_one_document(law)


def test_beside_a_correction_stands_what_was_read_however_often_it_was_corrected():
    """Which is what undoing it brings back; and not what an earlier reading had found."""

    async def law(manifest: Manifest) -> None:
        for by, typed in (("anna", "118"), ("ben", "119")):
            record = await review(manifest, "a.pdf", "correct", by=by, fields={"gross_total": typed})
        assert corrections_told(record) == {"gross_total": "(corrected by ben, was 191.00)"}
        anew = {"event": "corrected", "by": "eve", "fields": {"gross_total": {"from": "5.00", "to": "6.00"}}}
        history = [*record["history"], {"event": "claimed"}, anew]
        assert corrections_told(record | {"history": history}) == {"gross_total": "(corrected by eve, was 5.00)"}

    on_one_document(law)


def test_what_says_nothing_new_changes_nothing():
    """No event, and the document stays where it is."""

    async def law(manifest: Manifest) -> None:
        record = await review(manifest, "a.pdf", "correct", by="anna", fields={"gross_total": "191.00"})
        assert revision(record) == 1

    on_one_document(law)


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ({"gross_total": "1.234,56"}, "1234.56"),
        ({"gross_total": "EUR 1,234.56"}, "1234.56"),
        ({"gross_total": "-12"}, "-12"),
        ({"issue_date": "24. Dezember 2025"}, "2025-12-24"),
        ({"issue_date": "2025-12-24"}, "2025-12-24"),
        ({"currency": " usd "}, "USD"),
        ({"iban": "de89 3704 0044 0532 0130 00"}, "DE89370400440532013000"),
        ({"seller_name": "  "}, None),
        ({"doc_type": "credit_note"}, "credit_note"),
        ({"line_items.1.net_amount": "21,00"}, "21.00"),
        ({"line_items.2.description": "Stamps"}, "Stamps"),
        ({"line_items.0": ""}, None),
    ],
)
def test_what_is_typed_is_read_as_what_it_is(typed: dict[str, str | None], value: object):
    """Amounts and dates as people write them; codes in their usual form; empty says that the document is silent."""
    [(path, (_, to))] = corrections_made({}, content_of(), typed)[0].items()
    assert (path, to) == (next(iter(typed)), value)


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"gross_total": "1.234"}, "may be a thousand or one"),
        ({"gross_total": "many"}, "is no amount"),
        ({"issue_date": "03/04/2026"}, "ambiguous"),
        ({"doc_type": "offer"}, "none of invoice, credit_note"),
        ({"total": "1"}, "there is no field total"),
        ({"line_items": "1"}, "there is no field line_items"),
        ({"details": "x"}, "there is no field details"),
        ({"line_items.0.price": "1"}, "has no field price"),
        ({"line_items.3.net_amount": "1"}, "there is no such line"),
        ({"line_items.2": ""}, "there is no such line"),
        ({"line_items.-1.net_amount": "1"}, "there is no field"),
        ({"line_items.0": "x"}, "can only be taken away"),
        ({"total": None}, "there is no field total"),
        ({"line_items.x": None}, "there is no field line_items.x"),
        ({"line_items.1\u0663.net_amount": "1"}, "there is no field"),
    ],
)
def test_what_can_not_be_understood_is_refused_in_one_sentence(typed: dict[str, str | None], sentence: str):
    """Never guessed."""
    with pytest.raises(Refused, match=sentence):
        corrections_made({}, content_of(), typed)


def test_the_decimal_mark_of_a_document_tells_what_is_meant():
    """Where it is known: 1.234 is a thousand on a page that writes 99,50."""
    assert corrections_made({}, content_of(), {"gross_total": "1.234"}, ",")[1]["corrections"] == {
        "gross_total": "1234"
    }


def test_lines_are_corrected_added_and_taken_away_by_the_numbers_they_were_read_with():
    """Whatever was taken away before."""
    fields = {"line_items.0": "", "line_items.1.net_amount": "25", "line_items.2.description": "Stamps"}
    facts = corrections_made({}, content_of(), fields | {"line_items.2.net_amount": "75"})[1]
    said = invoice_said(facts, content_of())
    assert [(line["description"], line["net_amount"]) for line in said["line_items"]] == [
        ("Ink", "25"),
        ("Stamps", "75"),
    ]
    back = corrections_made(facts, content_of(), {"line_items.0": None, "line_items.1": None, "line_items.2": None})[1]
    assert back["corrections"] == {}


def test_findings_are_changed_by_what_a_correction_mends_and_breaks_and_else_left():
    """What was seen on the page of another field stays; of a corrected one a person has spoken."""
    facts = corrections_made({}, content_of(), {"gross_total": "119"})[1]
    assert [f.code for f in findings_said(facts, content_of())] == ["page.unread"]
    facts = corrections_made({}, content_of(), {"net_total": "90"})[1]
    found = findings_said(facts, content_of())
    assert {"page.unread", "page.gross_total", "lines.sum"} <= {finding.code for finding in found}
    assert GROSS not in {finding.message for finding in found}


def test_what_an_e_invoice_says_twice_is_corrected_twice():
    """Else its export would tell both."""
    details = {
        "type_code": "380",
        "seller": {"name": "Paper Mil", "vat_id": "DE1"},
        "payments": [{"code": "58", "account": "X"}],
    }
    typed = {"seller_name": "Paper Mill", "seller_tax_id": "12/345", "iban": "DE89370400440532013000"}
    facts = corrections_made({}, content_of(INVOICE | {"details": details}), typed)[1]
    said = invoice_said(facts, content_of(INVOICE | {"details": details}))["details"]
    assert said["seller"] == {"name": "Paper Mill", "tax_registration": "12/345"}
    assert said["payments"] == [{"code": "58", "account": "DE89370400440532013000"}]


# --- who may do what, and when


def test_of_two_reviewers_the_second_is_told_and_overwrites_nothing():
    """Who, what and when; also if their changes meet in one write."""

    async def law(manifest: Manifest) -> None:
        seen = revision(await manifest.get("a.pdf") or {})
        both = (
            review(manifest, "a.pdf", "approve", by="anna", seen=seen, fields={"gross_total": "119"}),
            review(manifest, "a.pdf", "reject", by="ben", seen=seen, reason="an offer"),
        )
        approved, refused = await asyncio.gather(*both, return_exceptions=True)
        assert isinstance(refused, ReviewConflict)
        assert [(e["event"], e["by"]) for e in refused.since] == [("approved", "anna")]
        assert "approved (gross_total) by anna" in str(refused)
        assert await manifest.get("a.pdf") == approved
        with pytest.raises(ReviewConflict):
            await review(manifest, "a.pdf", "correct", by="ben", seen=seen, fields={"gross_total": "1"})

    on_one_document(law)


def test_a_document_that_a_run_took_up_meanwhile_is_not_reviewed():
    """What the reviewer saw is no longer what is there."""

    async def law(manifest: Manifest) -> None:
        await manifest.register_of("a.pdf").commit(transitions.retry("a.pdf", AT))
        with pytest.raises(ReviewConflict, match="retried"):
            await review(manifest, "a.pdf", "approve", by="anna", seen=1)
        with pytest.raises(Refused, match="it is pending"):
            await review(manifest, "a.pdf", "approve", by="anna")

    on_one_document(law)


def record_in(status: str) -> Record:
    """A record in a status that it can be in, of revision 1."""
    verdict = {"verdict": {"by": "anna", "at": AT}} if status in ("approved", "rejected") else {}
    result = {} if status in ("failed", "pending", "running") else {"result": "r", "input": "i"}
    return {
        "status": status,
        "owner": None,
        "mark": "m1",
        "history": [{"at": AT, "event": status}],
        **verdict,
        **result,
    }


@pytest.mark.parametrize(
    ("act", "allowed"),
    [
        ("correct", {"done": "review", "review": "review"}),
        ("approve", {"done": "approved", "review": "approved"}),
        ("reject", {"done": "rejected", "review": "rejected", "failed": "rejected"}),
        ("reopen", {"approved": "review", "rejected": "review"}),
    ],
)
def test_each_act_has_its_states(act: Any, allowed: dict[str, str]):
    """All others refuse it in one sentence."""
    for status in transitions.STATUSES:
        change = reviewed(Review("a.pdf", act, "ben", 1, "why"), AT)
        if status in allowed:
            assert change({"a.pdf": record_in(status)})["a.pdf"]["status"] == allowed[status]
        else:
            with pytest.raises(Refused, match=r"a\.pdf: "):
                change({"a.pdf": record_in(status)})


def test_a_failed_document_that_was_rejected_is_failed_again_once_reopened():
    """For nothing was ever read of it."""
    rejected = reviewed(Review("a.pdf", "reject", "ben", 1, "torn"), AT)({"a.pdf": record_in("failed")})
    assert rejected["a.pdf"]["verdict"]["reason"] == "torn"
    again = reviewed(Review("a.pdf", "reopen", "ben", 2), AT)(rejected)["a.pdf"]
    assert (again["status"], "verdict" in again) == ("failed", False)


@pytest.mark.parametrize(
    ("by", "act", "reason", "sentence"),
    [("", "approve", "", "needs a name"), ("a" * 61, "approve", "", "needs a name"), ("ben", "reject", " ", "say why")],
)
def test_a_review_has_an_author_and_a_rejection_a_reason(by: str, act: Any, reason: str, sentence: str):
    """Others have to know whom to ask, and what."""

    async def law(manifest: Manifest) -> None:
        with pytest.raises(Refused, match=sentence):
            await review(manifest, "a.pdf", act, by=by, reason=reason)

    on_one_document(law)


# --- runs


def test_an_approved_document_is_changed_by_no_run():
    """A changed source is noted, once for each mark; a retry is refused; a claim finds nothing."""
    records = {"a.pdf": record_in("approved")}
    noted = transitions.plan([("a.pdf", "m2", 5)], AT)(records)
    assert noted["a.pdf"] == records["a.pdf"] | {
        "outdated": {"mark": "m2", "at": AT},
        "history": [*records["a.pdf"]["history"], {"at": AT, "event": "outdated", "mark": "m2"}],
    }
    assert transitions.plan([("a.pdf", "m2", 5)], AT)(noted) == {}
    assert transitions.claim("w", 9, {}, (), AT)(records) == {}
    with pytest.raises(Refused, match="approved by anna"):
        transitions.retry("a.pdf", AT)(records)
    [warning] = findings_said(noted["a.pdf"], content_of(findings=[]))
    assert (warning.code, warning.severity) == ("source.changed", "warning")


def test_whatever_is_not_approved_is_read_anew_when_its_source_changes():
    """Verdict and corrections were on other bytes: they are in the history, and no longer in force."""
    for status in ("rejected", "review"):
        record = record_in(status) | {"corrections": {"gross_total": "1"}}
        planned = transitions.plan([("a.pdf", "m2", 5)], AT)({"a.pdf": record})["a.pdf"]
        assert planned["status"] == "pending"
        assert not {"corrections", "verdict"} & planned.keys()


def test_a_run_leaves_an_approved_document_and_the_audit_finds_nothing_wrong():
    """From a run over a review to another run on a changed source, with the real code and its own audit."""

    async def story() -> None:
        store, source = MemoryStore(), MemoryStore()
        await source.put("a.pdf", invoice_pdf("A"))
        await source.put("b.pdf", invoice_pdf("B"))
        await Process(store, source, None).task
        async with Manifest.open(store, clock=virtual_clock()) as manifest:
            await review(manifest, "b.pdf", "correct", by="ben", fields={"due_date": "2026-02-01"})
            approved = await review(manifest, "a.pdf", "approve", by="anna", fields={"gross_total": "120"})
        await source.put("a.pdf", invoice_pdf("A", 200))
        await source.put("b.pdf", invoice_pdf("B", 200))
        await Process(store, source, None).task
        manifest = await Manifest.read(store, clock=virtual_clock())
        now, other = await manifest.get("a.pdf") or {}, await manifest.get("b.pdf") or {}
        assert {key: now[key] for key in approved if key != "history"} == {
            key: value for key, value in approved.items() if key != "history"
        }
        assert now["history"][-1]["event"] == "outdated"
        assert (other["attempt"], "corrections" in other) == (2, False)
        assert (await audit(store, virtual_clock())).breaches == []

    virtually(story())


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        ({"seen": 0}, "who had seen 0 of its"),
        ({"fields": {"gross_total": {"from": "1", "to": "2"}}}, "its corrections or its verdict"),
        ({"event": "reopened"}, "though it was review"),
    ],
)
def test_the_audit_names_a_review_of_what_its_author_had_not_seen(damage: Record, what: str):
    """And a record that says otherwise than its history."""

    async def story() -> list[str]:
        store, source = MemoryStore(), MemoryStore()
        await source.put("a.pdf", invoice_pdf("A"))
        await Process(store, source, None).task
        async with Manifest.open(store, clock=virtual_clock()) as manifest:
            record = await review(manifest, "a.pdf", "approve", by="anna")
            await manifest.update("a.pdf", history=[*record["history"][:-1], record["history"][-1] | damage])
        return [breach.what for breach in (await audit(store, virtual_clock())).breaches]

    assert any(what in breach for breach in virtually(story()))


# --- what comes out of it


def test_whatever_lists_exports_and_scores_an_out_says_what_reviewers_made_of_it(tmp_path: Path):
    """One document corrected and approved by the command line, and then looked at from everywhere."""
    store = open_store(str(tmp_path))
    asyncio.run(manifest_with(store))

    def told(*command: str, code: int = 0) -> str:
        run = CliRunner().invoke(cli, [command[0], str(tmp_path), *command[1:]], catch_exceptions=True)
        assert run.exit_code == code, run.output
        return run.stdout

    with pytest.raises(SetupError, match="is approved yet"):
        asyncio.run(score_out(str(tmp_path), None))
    told("review", "a.pdf", "--set", "gross_total=119,00", "--set", "line_items.1=", "--approve", "--by", "anna")
    assert "approved by anna" in told("list", "--status", "approved")
    assert json.loads(told("status", "--json"))["approved"] == 1
    assert "(corrected by anna, was 191.00)" in told("show", "a.pdf")
    [said] = map(json.loads, told("export", "--format", "jsonl").splitlines())
    assert (said["status"], said["gross_total"], len(said["line_items"])) == ("approved", "119.00", 1)
    assert said["corrected"] == ["gross_total", "line_items.1"]
    [read] = map(json.loads, told("export", "--format", "jsonl", "--as-extracted").splitlines())
    assert (read["gross_total"], len(read["line_items"]), read["corrected"]) == ("191.00", 2, [])
    score = json.loads(told("score", "--json"))
    assert (score["by_review"], score["corrected"], score["fields"]["gross_total"]["accuracy"]) == (True, 1, 0.0)
    assert score["fields"]["line_items.count"]["accuracy"] == 0.0
    assert score["sellers"]["Paper Mill Ltd"]["n"] == sum(of["n"] for of in score["readers"].values())
    told("review", "a.pdf", "--reopen", "--by", "ben", "--seen", "2")
    told("review", "a.pdf", "--undo", "line_items.1", "--by", "ben")
    assert "0 documents back to pending" in told("retry", "--status", "review")  # it has a person's work in it
    assert "1 document back to pending" in told("retry", "a.pdf")


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--set", "gross_total"],
        ["--approve", "--reopen"],
        ["--reject", "no", "--set", "currency=EUR"],
        ["--set", "currency=EUR", "--undo", "currency"],
    ],
)
def test_a_review_that_says_nothing_or_two_things_is_a_usage_error(options: list[str], tmp_path: Path):
    """Before anything is opened."""
    run = CliRunner().invoke(cli, ["review", str(tmp_path), "a.pdf", "--by", "anna", *options])
    assert run.exit_code == 2
    assert "Usage:" in run.output
