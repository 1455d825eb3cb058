"""`counterfoil score`: what counts as right, what is scored at all, and what is said of truths that can't be used."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.batch import invoice_pdf
from tests.test_cli import counterfoil

from counterfoil.errors import SetupError
from counterfoil.score import INVOICE, Got, Judged, Kind, chosen, judge, layout_of, same, unpaired
from counterfoil.score_truth import read_truths

TRUTH: dict[str, Any] = {
    "invoice_number": "RE-7",
    "issue_date": "2026-01-05",
    "currency": "EUR",
    "seller_name": "Paper Mill Ltd.",
    "seller_names": ["PM"],
    "gross_total": Decimal("119.00"),
    "due_date": None,
    "line_items": [
        {"description": "Paper A4, white", "quantity": 2, "unit_price": None, "net_amount": Decimal(60)},
        {"description": "Ink", "quantity": 1, "unit_price": 40, "net_amount": Decimal(40)},
    ],
}


def got(reader: str = "rules", **fields: Any) -> Got:
    """A document that is done and says what `TRUTH` says, but for these fields."""
    said = {name: value for name, value in TRUTH.items() if name != "seller_names"}
    return Got("done", reader, json.loads(json.dumps(said | fields, default=str)))


def judged(truth: dict[str, Any] | None = None, **fields: Any) -> Judged:
    return judge("a.pdf", TRUTH | (truth or {}), got(**fields), INVOICE)


@pytest.mark.parametrize(
    ("kind", "truth", "value", "right"),
    [
        ("amount", Decimal("119.00"), "119", True),
        ("amount", 119.0, "119.004", True),
        ("amount", 119, "119.005", False),
        ("amount", 119, "-119", False),
        ("amount", 119, "NaN", False),
        ("amount", 119, None, False),
        ("amount", 0, "0.00", True),
        ("day", "2026-01-05", "2026-01-05", True),
        ("day", "2026-01-05", "2026-05-01", False),
        ("code", "EUR", "eur", True),
        ("id", "DE 123-456", "de123456", True),
        ("id", "DE123456", "DE123457", False),
        ("name", "Müller & Söhne GmbH", "MULLER  & Söhne GmbH", True),
        ("name", "Müller & Söhne GmbH", "Müller & Söhne", True),
        ("name", "Müller & Söhne GmbH", "Müller", False),
        ("name", "Müller", "", False),
        ("text", "Nails 30 mm", "Nails", True),
        ("text", "Ink", "Pen", False),
        ("", 12, "12.00", True),
        ("", "PO-1", "po 1", True),
    ],
)
def test_a_value_is_right_where_it_says_the_same(kind: Kind, truth: object, value: object, right: bool):
    """By the rules of its kind; without one, the truth tells which."""
    assert same(truth, value, kind) is right


def test_the_sign_of_a_credit_note_is_ignored():
    """Sources differ in it. Of an invoice it is not."""
    assert judged(gross_total="-119").scores["gross_total"] == 0.0
    assert judged({"doc_type": "credit_note"}, gross_total="-119").scores["gross_total"] == 1.0


def test_any_of_the_accepted_values_is_right():
    """As `seller_names`."""
    assert judged(seller_name="P.M.").scores["seller_name"] == 1.0
    assert judged(seller_name="Ink Mill").scores["seller_name"] == 0.0


def test_what_the_truth_does_not_say_is_not_scored():
    """A value there is spurious only if the truth is that of an XML file, which has no other place to say it."""
    one = judged(due_date="2026-02-01")
    assert "due_date" not in one.scores
    assert one.spurious == []
    assert judged({"kind": "xml"}, due_date="2026-02-01").spurious == ["due_date"]


def test_what_only_the_xml_knows_is_scored_where_the_xml_was_read():
    """The page does not show it to any other reader."""
    hidden = {"not_visible": ["currency", "line_items"]}
    assert "currency" not in judged(hidden, reader="model").scores
    assert "line_items.count" not in judged(hidden, reader="model").scores
    assert judged(hidden, reader="xml").scores["currency"] == 1.0


def test_lines_are_scored_by_count_and_by_column():
    """A column that the truth does not know all of is left out; both what is missing and what is too much counts."""
    lines = [{"description": "INK", "quantity": "1", "net_amount": "40"}, {"net_amount": "1"}, {"net_amount": "2"}]
    one = judged(line_items=lines)
    assert one.scores["line_items.count"] == 0.0
    assert one.scores["line_items.net_amount"] == pytest.approx(2 * 1 / (2 + 3))
    assert one.scores["line_items.description"] == pytest.approx(2 * 1 / (2 + 1))
    assert "line_items.unit_price" not in one.scores
    assert next(w for w in one.wrong if w.field == "line_items.net_amount").got == ["1", "2"]


def test_each_value_answers_for_one():
    """Two equal ones need two."""
    assert unpaired([1, 1, 2], [1, 2, 3], lambda one, other: one == other) == ([1], [3])


def test_a_document_without_a_result_has_everything_wrong():
    """Be it failed or not there at all."""
    for record in (None, Got("failed", None, None)):
        one = judge("a.pdf", TRUTH, record, INVOICE)
        assert set(one.scores.values()) == {0.0}
        assert not one.right(INVOICE.keys)


def test_other_fields_than_the_usual_can_be_compared():
    """And only those that are named."""
    layout = chosen(INVOICE, ["purchase_order", "line_items"])
    one = judge("a.pdf", TRUTH | {"purchase_order": "PO 1"}, got(purchase_order="PO-1"), layout)
    assert one.scores["purchase_order"] == 1.0
    assert "gross_total" not in one.scores
    assert "line_items.count" in one.scores


def test_documents_of_ones_own_schema_are_compared_by_its_columns():
    """Dotted paths, and lists with their columns."""
    columns = {"buyer.name": "text", "total": "decimal", "lines": {"net": "decimal"}}
    truth = {"buyer": {"name": "A"}, "total": 5, "lines": [{"net": 5}]}
    one = judge(
        "a.pdf", truth, Got("done", "model", {"buyer": {"name": "a"}, "total": "5.00", "lines": []}), layout_of(columns)
    )
    assert one.scores == {"buyer.name": 1.0, "total": 1.0, "lines.count": 0.0, "lines.net": 0.0}


@pytest.mark.parametrize(
    ("csv", "total"),
    [
        ("file;gross_total\na.pdf;1.234,50\nb.pdf;1.000\n", "1000"),
        ("file,gross_total\na.pdf,1234.50\nb.pdf,1.000\n", "1.000"),
        ('\ufefffile,gross_total\na.pdf,"1.234,50"\nb.pdf,7\n', "7"),
        ("gross_total\tfile\n5,5\ta.pdf\n€ 6\tb.pdf\n", "6"),
    ],
)
def test_a_csv_tells_its_delimiter_and_its_decimal_mark(csv: str, total: str, tmp_path: Path):
    """By all of its amounts: 1.000 is what the others say."""
    (tmp_path / "truth.csv").write_text(csv)
    truths = read_truths(str(tmp_path / "truth.csv"), INVOICE)
    assert truths.bad == []
    assert truths.said["b.pdf"]["gross_total"] == Decimal(total)


def test_what_can_not_be_used_of_a_csv_is_one_sentence_a_row(tmp_path: Path):
    """The other rows count."""
    rows = "file;gross_total;issue_date\na;5;\nb;1,234;\nc;;5.1.2026\nd;1\n;3;\na;6;\ne;;\n"
    (tmp_path / "truth.csv").write_text(rows)
    truths = read_truths(str(tmp_path / "truth.csv"), INVOICE)
    assert set(truths.said) == {"a"}
    assert [sentence.partition(":")[0] for sentence in truths.bad] == [
        *("row 3 (b)", "row 4 (c)", "row 5", "row 6 ()", "row 7 (a)", "row 8 (e)"),
    ]
    assert "gross_total '1,234' is no amount, or an ambiguous one; write it like 1234.50" in truths.bad[0]
    assert "issue_date '5.1.2026' is no date; write it YYYY-MM-DD" in truths.bad[1]


def test_what_can_not_be_used_of_a_folder_is_one_sentence_a_file(tmp_path: Path):
    """Broken JSON, another kind of value, none of the fields."""
    for name, text in {
        "a.pdf": '{"gross_total": 5}',
        "b": "{",
        "c": "[]",
        "d": '{"total": 5}',
        "e": '{"gross_total": "five"}',
        "f": '{"line_items": 3}',
    }.items():
        (tmp_path / f"{name}.json").write_text(text)
    truths = read_truths(str(tmp_path), INVOICE)
    assert set(truths.said) == {"a.pdf"}
    assert [sentence.partition(":")[0] for sentence in truths.bad] == [f"{name}.json" for name in "bcdef"]


@pytest.mark.parametrize(
    ("name", "text"), [("t.csv", "name,total\na,1\n"), ("t.csv", ""), ("t.csv", "file,total\na,1\n")]
)
def test_truths_of_which_none_can_be_used_are_a_mistake(name: str, text: str, tmp_path: Path):
    """As is a place where there are none."""
    (tmp_path / name).write_text(text)
    for where in (tmp_path / name, tmp_path / "nowhere", tmp_path):
        with pytest.raises(SetupError):
            read_truths(str(where), INVOICE)


def test_an_out_is_scored_from_the_command_line(tmp_path: Path):
    """Worst documents first, done and wrong ones by name, each mismatch with both values."""
    (tmp_path / "in" / "sub").mkdir(parents=True)
    for n, where in enumerate(("a.pdf", "sub/b.pdf", "c.pdf")):
        (tmp_path / "in" / where).write_bytes(invoice_pdf(f"A-{n}"))
    out, truth = tmp_path / "out", tmp_path / "truth"
    counterfoil("run", tmp_path / "in", "--out", out, "--quiet")
    truth.mkdir()
    for name, number in {"a.pdf": "A-0", "b": "B-9", "gone.pdf": "G"}.items():
        (truth / f"{name}.json").write_text(json.dumps({"kind": "plain", "invoice_number": number, "gross_total": 119}))
    told = counterfoil("score", out, truth, "--json", "--errors")
    assert told.returncode == 0, told.stderr
    score = json.loads(told.stdout)
    assert (score["documents"], score["missing"], score["without_truth"]) == (3, 1, 1)
    assert score["fields"]["invoice_number"] == {"n": 3, "accuracy": 0.3333}
    assert score["readers"] == {"rules": {"n": 4, "accuracy": 0.75}, "none": {"n": 2, "accuracy": 0.0}}
    assert [one["document"] for one in score["worst"]] == ["gone.pdf", "sub/b.pdf"]
    assert score["errors"][-1] == {
        "document": "sub/b.pdf",
        "field": "invoice_number",
        "truth": "B-9",
        "got": "A-1",
        "score": 0.0,
    }
    (truth / "bad.json").write_text("{")
    words = counterfoil("score", out, truth, "--errors", "--fields", "invoice_number", "--kind", "plain")
    assert words.returncode == 1
    assert "truth not used: bad.json: it is not JSON" in words.stderr
    assert "sub/b.pdf: invoice_number: A-1 instead of B-9" in words.stdout
    assert "gross_total" not in words.stdout


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--fields", "total"], "--fields: there is no field total; there are"),
        (["--kind", "x"], "no truth of the kind x"),
    ],
)
def test_what_can_not_be_compared_is_one_sentence(options: list[str], why: str, tmp_path: Path):
    """Exit code 2."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.pdf").write_bytes(invoice_pdf("A-0"))
    (tmp_path / "t.csv").write_text("file,invoice_number\na,A-0\n")
    counterfoil("run", tmp_path / "in", "--out", tmp_path / "out", "--quiet")
    ended = counterfoil("score", tmp_path / "out", tmp_path / "t.csv", *options)
    assert ended.returncode == 2
    assert why in ended.stderr


def test_done_but_wrong_is_told_apart(tmp_path: Path):
    """The precision of `done` is of those key fields that the truth says."""
    wrong = judge("a", TRUTH, got(gross_total="118"), INVOICE)
    lesser = judge("b", TRUTH, got(seller_name="Somebody"), INVOICE)
    assert not wrong.right(INVOICE.keys)
    assert lesser.right(INVOICE.keys)
