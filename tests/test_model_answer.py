"""The form of an answer: the schema that is asked for, and what is accepted."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from counterfoil.form import MisfitError
from counterfoil.invoice import AllowanceCharge, Invoice, LineItem, TaxLine
from counterfoil.model_answer import EXPECTED, invoice_schema, parse_invoice
from counterfoil.schema_strict import strict_schema
from model_server import sample_invoice

ALLOWED = {"type", "properties", "required", "additionalProperties", "items", "enum", "description"}
TYPES = {"string", "number", "boolean", "integer", "object", "array", "null"}


def strict_mode_breaches(node: dict[str, Any], at: str = "") -> list[str]:
    """What OpenAI's strict mode would refuse in a schema, as `place: what`."""
    breaches = [f"{at}: keyword {keyword}" for keyword in node.keys() - ALLOWED]
    types = node["type"] if isinstance(node.get("type"), list) else [node.get("type")]
    if not types or not set(types) <= TYPES or len(set(types)) != len(types):
        breaches.append(f"{at}: type {node.get('type')}")
    if "object" in types:
        if node.get("additionalProperties") is not False:
            breaches.append(f"{at}: additionalProperties")
        if node.get("required") != list(node.get("properties", ())):
            breaches.append(f"{at}: required")
        for name, part in node.get("properties", {}).items():
            breaches += strict_mode_breaches(part, f"{at}.{name}")
    if "array" in types:
        breaches += strict_mode_breaches(node.get("items", {}), f"{at}[]")
    return breaches


def answer(**changes: Any) -> str:
    return json.dumps(sample_invoice("A-1") | changes)


def test_the_schema_is_valid_in_strict_mode():
    """Every property required and no others, no keyword that strict mode refuses, no reference left."""
    assert strict_mode_breaches(dict(invoice_schema())) == []


@pytest.mark.parametrize(
    "bad",
    [
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": [], "additionalProperties": False},
        {"type": "object", "properties": {}, "required": []},
        {"type": "string", "format": "date"},
        {"anyOf": [{"type": "string"}, {"type": "null"}]},
        {"type": "array", "items": {"$ref": "#/$defs/X"}},
    ],
)
def test_the_check_of_strict_mode_finds_what_strict_mode_refuses(bad: dict[str, Any]):
    """The check above can fail."""
    assert strict_mode_breaches(bad)


def test_the_schema_has_every_field_of_the_invoice_and_its_parts():
    """`Invoice` is the one source: a new field is asked for without another line of code, unless only XML has it."""
    properties = invoice_schema()["properties"]
    only_xml = {"details", "tax_category", "reason_code", "base", "percent", "exemption_reason", "exemption_code"}
    assert list(properties) == [name for name in Invoice.model_fields if name != "details"]
    parts = {"line_items": LineItem, "tax_lines": TaxLine, "allowances_charges": AllowanceCharge}
    for name, part in parts.items():
        assert set(part.model_fields) - set(properties[name]["items"]["properties"]) <= only_xml


def test_what_was_not_asked_for_is_no_part_of_an_answer():
    """Terms that only e-invoices state can't come from a model, whatever it writes there."""
    answer = dict.fromkeys(EXPECTED) | {
        "details": {"process": "made up"},
        "tax_lines": [{"rate": 19, "exemption_code": "made up"}],
        "line_items": [{"description": "Bolts", "details": 7}],
    }
    invoice = parse_invoice(json.dumps(answer))
    assert invoice.details is None
    assert invoice.tax_lines == [TaxLine(rate=Decimal(19))]
    assert invoice.line_items == [LineItem(description="Bolts")]


def test_amounts_are_numbers_or_null_and_dates_are_text_or_null():
    """An amount is never asked for as text, so that no locale's separators come into it."""
    properties = invoice_schema()["properties"]
    assert properties["gross_total"]["type"] == ["number", "null"]
    assert properties["issue_date"]["type"] == ["string", "null"]
    assert properties["doc_type"]["enum"] == ["invoice", "credit_note"]
    assert properties["gross_total"]["description"] == Invoice.model_fields["gross_total"].description


def test_what_a_field_says_of_itself_stands_before_what_its_model_says():
    """A reference is written out, and its own description wins."""
    part = {"type": "object", "description": "a part", "properties": {"x": {"type": "string", "default": "y"}}}
    whole = {
        "$defs": {"Part": part},
        "type": "object",
        "properties": {"p": {"$ref": "#/$defs/Part", "description": "this part"}},
    }
    strict = strict_schema(whole)
    assert strict["properties"]["p"]["description"] == "this part"
    assert strict_mode_breaches(strict) == []


def test_no_cent_and_no_digit_is_lost():
    """Numbers that a float can't hold arrive as they were written, trailing zeros too."""
    text = answer().replace('"gross_total": 119.0', '"gross_total": 9007199254740993.10')
    text = text.replace('"tax_total": 19.0', '"tax_total": 0.1000000000000000055')
    invoice = parse_invoice(text)
    assert str(invoice.gross_total) == "9007199254740993.10"
    assert str(invoice.tax_total) == "0.1000000000000000055"


def test_a_whole_answer_becomes_an_invoice():
    """Types are those of `Invoice`."""
    invoice = parse_invoice(answer())
    assert (invoice.invoice_number, invoice.issue_date) == ("A-1", date(2024, 3, 1))
    assert invoice.line_items[0].net_amount == Decimal(100)


@pytest.mark.parametrize("around", ["```json\n{}\n```", "```\n{}```", "Here it is: {} I hope this helps.", "\n {} \n"])
def test_a_fence_or_words_around_the_object_are_forgiven(around: str):
    """Models without constrained output can't help it."""
    assert parse_invoice(around.replace("{}", answer())).invoice_number == "A-1"


def test_keys_that_nobody_asked_for_are_ignored():
    """An answer isn't refused for saying more."""
    assert parse_invoice(answer(confidence=0.9)).invoice_number == "A-1"


def test_a_null_list_is_an_empty_one():
    """Servers without strict mode answer so."""
    assert parse_invoice(answer(line_items=None, tax_lines=None)).line_items == []


def test_a_document_that_is_no_invoice_may_be_all_null():
    """The checks will send it to review; asking again would only make the model invent something."""
    nothing = dict.fromkeys(sample_invoice(""))
    assert parse_invoice(json.dumps(nothing)) == Invoice.model_validate({})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not valid JSON"),
        ("I can't read this.", "not valid JSON"),
        ("[]", "not a JSON object"),
        ("null", "not a JSON object"),
        ("{}", "keys are missing: invoice_number, issue_date"),
        ('{"invoice": {"invoice_number": "1"}}', "keys are missing"),
        ("[" * 100_000, "not valid JSON"),
        (answer(gross_total="119,00"), "gross_total"),
        (answer(gross_total="about 100"), "gross_total"),
        (answer(gross_total=True), "gross_total"),
        (answer(gross_total=[1]), "gross_total"),
        (answer().replace("119.0", "NaN"), "NaN is not an amount"),
        (answer().replace("119.0", "1e999999"), "not an amount"),
        (answer().replace("119.0", "1e9999999999999999999"), "not an amount"),
        (answer().replace("119.0", "9" * 5000), "not an amount"),
        (answer(issue_date="01.03.2024"), "issue_date"),
        (answer(issue_date="2024-02-30"), "issue_date"),
        (answer(doc_type="receipt"), "doc_type"),
        (answer(line_items=[{"net_amount": "many"}]), "line_items.0.net_amount"),
        (answer(seller_name="\ud800"), "surrogate"),
    ],
)
def test_what_does_not_fit_is_refused_and_says_why(text: str, why: str):
    """The message names the place, as the model will read it."""
    with pytest.raises(MisfitError, match=why):
        parse_invoice(text)


@pytest.mark.parametrize("moment", [20240301, 1709251200, "1709251200", "2024-03-01T00:00:00Z"])
def test_a_number_is_never_taken_for_a_date(moment: object):
    """20240301 read as seconds since 1970 would be a day in August 1970."""
    with pytest.raises(MisfitError, match="issue_date: must be a string YYYY-MM-DD"):
        parse_invoice(answer(issue_date=moment))


def test_an_answer_that_was_cut_off_is_called_so():
    """The model is told to be brief rather than that a comma is missing."""
    with pytest.raises(MisfitError, match="cut off"):
        parse_invoice(answer()[:-30], cut_off=True)
