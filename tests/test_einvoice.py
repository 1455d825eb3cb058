"""E-invoice XML that nobody vouches for: what is refused, what is tolerated, and how a bad value is reported."""

from __future__ import annotations

import time
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.document import Limits
from counterfoil.einvoice import is_einvoice_name, parse_einvoice
from counterfoil.errors import InputError

UBL = "urn:oasis:names:specification:ubl:schema:xsd:"


def ubl(body: str, head: str = "", root: str = "Invoice") -> str:
    """A UBL document that holds `body`; `head` comes before its root."""
    return (
        f'{head}<{root} xmlns="{UBL}{root}-2" xmlns:cbc="{UBL}CommonBasicComponents-2"'
        f' xmlns:cac="{UBL}CommonAggregateComponents-2" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f"{body}</{root}>"
    )


def number_of(data: bytes | str) -> str | None:
    return parse_einvoice(data.encode() if isinstance(data, str) else data, Limits())[0].invoice_number


def reason(data: bytes | str, limits: Limits | None = None) -> str:
    with pytest.raises(InputError) as caught:
        parse_einvoice(data.encode() if isinstance(data, str) else data, limits or Limits())
    return str(caught.value)


NUMBERED = ubl("<cbc:ID>Ä-1 €</cbc:ID>")


# What is refused


def test_an_entity_bomb_is_refused_where_its_doctype_begins() -> None:
    """No entity is ever declared, so none can be expanded."""
    bomb = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    assert reason(ubl("<cbc:ID>&b;</cbc:ID>", bomb)) == "XML declares a DOCTYPE; entities are refused"


def test_an_external_entity_reads_no_file(tmp_path: Path) -> None:
    """The content of a local file appears neither in an invoice nor in the error."""
    secret = tmp_path / "secret.txt"
    secret.write_text("hunter2")
    told = reason(ubl("<cbc:ID>&x;</cbc:ID>", f'<!DOCTYPE x [<!ENTITY x SYSTEM "{secret.as_uri()}">]>'))
    assert "DOCTYPE" in told
    assert "hunter2" not in told


def test_a_doctype_is_refused_in_every_encoding_and_behind_any_comment() -> None:
    """Hiding it behind another encoding or other markup is of no help."""
    hidden = ubl("<cbc:ID>&x;</cbc:ID>", '<!-- invoice --><?pi x?><!DOCTYPE x [<!ENTITY x "y">]>')
    assert "DOCTYPE" in reason(hidden.encode("utf-16"))


def test_nesting_is_cut_off_at_the_limit_and_costs_little() -> None:
    """50,000 levels are refused at level 101, long before they are all read."""
    deep = ubl("<cbc:ID>" * 50_000 + "</cbc:ID>" * 50_000)
    started = time.perf_counter()
    assert reason(deep) == "the XML is nested deeper than the 100 levels allowed"
    assert time.perf_counter() - started < 1


def test_depth_up_to_the_limit_is_allowed() -> None:
    """The root is the first level."""
    assert number_of(ubl("<cbc:ID>1</cbc:ID>" + "<cac:X>" * 99 + "</cac:X>" * 99)) == "1"
    assert "nested" in reason(ubl("<cac:X>" * 100 + "</cac:X>" * 100))


def test_a_file_of_too_many_bytes_is_refused_unread() -> None:
    """The bound is the caller's."""
    assert reason(NUMBERED, Limits(max_xml_bytes=100)).endswith("bytes, more than the 100 allowed")


def test_a_flood_of_elements_is_cut_off() -> None:
    """Elements cost memory; the file's bytes alone would allow millions."""
    assert "more than the 500000 elements" in reason(ubl("<a/>" * 500_001))


def test_a_huge_namespace_is_refused_before_it_is_written_out_for_every_element() -> None:
    """900,000 elements in a namespace of 100 kB would make 90 GB of names."""
    assert "namespace of 100000 characters" in reason(f'<a xmlns="{"u" * 100_000}">' + "<b/>" * 100_000 + "</a>")


def test_broken_xml_is_reported_with_its_line() -> None:
    """One sentence, and where to look."""
    assert reason(ubl("\n\n<cbc:ID>1</cbc:IDs>")) == "not well-formed XML at line 3: mismatched tag"


@pytest.mark.parametrize("data", [b"", b"  \n ", b"\xef\xbb\xbf", b"%PDF-1.7", b"plain text", b"<a>", b"\x00\x00"])
def test_what_is_no_xml_is_said_to_be_none(data: bytes) -> None:
    """Whatever the bytes are, the error is ours."""
    assert reason(data).startswith("not well-formed XML")


def test_other_xml_is_named_by_its_root() -> None:
    """An order or a catalogue is no invoice, and neither is a name without its namespace."""
    assert reason('<c:cat xmlns:c="urn:x"/>') == "not an e-invoice: root element is {urn:x}cat"
    assert reason("<Invoice/>") == "not an e-invoice: root element is Invoice"
    assert "Order-2}Order" in reason(ubl("", root="Order"))


@given(st.binary(max_size=300))
def test_any_bytes_end_in_an_invoice_or_an_input_error(data: bytes) -> None:
    """Nothing else ever comes out."""
    for raw in (data, NUMBERED.encode()[:60] + data, b'<?xml version="1.0" encoding="' + data + b'"?><a/>'):
        with pytest.raises(InputError):
            parse_einvoice(raw, Limits())


# What is tolerated


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_is_read_by_its_mark_or_its_first_bytes(encoding: str) -> None:
    """With or without a declaration."""
    assert number_of(NUMBERED.encode(encoding)) == "Ä-1 €"
    declared = f'<?xml version="1.0" encoding="{encoding[:6].rstrip("-").upper()}"?>{NUMBERED}'
    assert number_of(declared.encode(encoding)) == "Ä-1 €"


@pytest.mark.parametrize("encoding", ["windows-1252", "ISO-8859-15", "cp1252"])
def test_a_declared_encoding_is_followed(encoding: str) -> None:
    """The old code pages of accounting programs."""
    assert number_of(f"<?xml version='1.0' encoding='{encoding}'?>{NUMBERED}".encode(encoding)) == "Ä-1 €"


def test_a_declaration_that_the_bytes_disprove_is_ignored() -> None:
    """A text re-encoded as UTF-8 that still says UTF-16 can't be UTF-16: the declaration itself reads as ASCII."""
    assert number_of(f'<?xml version="1.0" encoding="utf-16"?>{NUMBERED}') == "Ä-1 €"


@pytest.mark.parametrize("encoding", ["unicode_escape", "punycode", "zip", "no-such", "utf-7"])
def test_an_encoding_that_is_none_of_documents_is_refused(encoding: str) -> None:
    """Python would decode some of these, with surprises."""
    assert encoding in reason(f'<?xml version="1.0" encoding="{encoding}"?>{NUMBERED}')


def test_bytes_that_are_not_in_their_encoding_are_refused() -> None:
    """No character is replaced by a question mark."""
    assert reason(NUMBERED.encode("latin-1", "replace")) == "not well-formed XML: its bytes are not utf-8"


def test_white_space_before_the_declaration_is_forgiven() -> None:
    """Templates leave it there; nothing is lost by skipping it."""
    assert number_of(b'\xef\xbb\xbf\r\n  <?xml version="1.0"?>' + NUMBERED.encode()) == "Ä-1 €"


def test_comments_instructions_and_cdata_do_not_split_a_value() -> None:
    """`12<!-- -->34` is 1234, and CDATA is text."""
    assert number_of(ubl("<!-- a --><?b c?><cbc:ID>12<!-- x -->3<?y?><![CDATA[4]]></cbc:ID>")) == "1234"


@pytest.mark.parametrize("empty", ["<cbc:ID/>", "<cbc:ID>  \n </cbc:ID>", '<cbc:ID xsi:nil="true">9</cbc:ID>', ""])
def test_an_empty_element_says_nothing(empty: str) -> None:
    """As if it were not there."""
    assert number_of(ubl(empty)) is None


def test_prefixes_are_of_no_importance() -> None:
    """Only namespaces count."""
    text = f'<x:Invoice xmlns:x="{UBL}Invoice-2"><q:ID xmlns:q="{UBL}CommonBasicComponents-2">7</q:ID></x:Invoice>'
    assert number_of(text) == "7"


def test_an_attachment_of_many_megabytes_is_passed_over() -> None:
    """Base64 of 12 MB inside the invoice: within the file's bound, and no part of the invoice."""
    binary = "<cac:Attachment><cbc:EmbeddedDocumentBinaryObject>" + "QUJD" * 3_000_000
    assert number_of(ubl(f"{binary}</cbc:EmbeddedDocumentBinaryObject></cac:Attachment><cbc:ID>1</cbc:ID>")) == "1"


def test_a_text_without_end_is_cut() -> None:
    """No field holds more than some thousands of characters."""
    assert len(number_of(ubl(f"<cbc:ID>{'x' * 1_000_000}</cbc:ID>")) or "") == 5_000


def test_an_invoice_of_twenty_lines_takes_milliseconds() -> None:
    """Measured at about 1 ms; the bound leaves room for a slow machine."""
    line = "<cac:InvoiceLine><cbc:ID>1</cbc:ID><cac:Item><cbc:Name>x</cbc:Name></cac:Item></cac:InvoiceLine>" * 20
    data = ubl(line).encode()
    best = min(_seconds(data) for _ in range(5))
    assert best < 0.03


def _seconds(data: bytes) -> float:
    started = time.perf_counter()
    assert len(parse_einvoice(data, Limits())[0].line_items) == 20
    return time.perf_counter() - started


# Values


def due(text: str, attributes: str = "") -> Decimal | None:
    total = (
        f"<cac:LegalMonetaryTotal><cbc:PayableAmount {attributes}>{text}</cbc:PayableAmount></cac:LegalMonetaryTotal>"
    )
    data = ubl(f"<cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>{total}")
    return parse_einvoice(data.encode(), Limits())[0].amount_due


@pytest.mark.parametrize(
    "text", ["12.30", "-12.3", "+5", ".5", "1.", "0", "00.10", "1E+3", "0E-10", "123456789012345.12"]
)
def test_an_amount_keeps_its_sign_and_scale(text: str) -> None:
    """12.30 is not 12.3."""
    assert str(due(f" {text}\n")) == str(Decimal(text))


@pytest.mark.parametrize(
    "text",
    ["abc", "1.000,00", "1,5", "1 000", "NaN", "Infinity", "0x1F", "1_000", "٣", "--1", "1e999", "9" * 5_100, "-"],
)
def test_an_amount_that_is_no_number_is_refused_by_name(text: str) -> None:
    """1.000,00 may be one or a thousand: never guessed."""
    with pytest.raises(InputError, match=r"^PayableAmount is not a number: '") as caught:
        due(text)
    assert len(str(caught.value)) < 100


def test_an_amount_in_another_currency_than_the_invoice_is_refused() -> None:
    """It would be taken for euros."""
    assert due("5", 'currencyID="EUR"') == 5
    with pytest.raises(InputError, match="PayableAmount is in USD, but the invoice is in EUR"):
        due("5", 'currencyID="USD"')


def issued(text: str) -> date | None:
    return parse_einvoice(ubl(f"<cbc:IssueDate>{text}</cbc:IssueDate>").encode(), Limits())[0].issue_date


@pytest.mark.parametrize("text", ["2024-02-29", "2024-02-29Z", "2024-02-29+01:00", "2024-02-29T23:59:59.5+02:00"])
def test_a_date_is_the_day_that_is_written(text: str) -> None:
    """Time and zone don't move it."""
    assert issued(text) == date(2024, 2, 29)


@pytest.mark.parametrize(
    "text", ["2024-13-45", "2023-02-29", "29.02.2024", "02/03/2024", "0000-01-01", "2024-02-29x", "24-1-1"]
)
def test_a_date_that_is_no_date_is_refused_by_name(text: str) -> None:
    """02/03/2024 may be in February or in March: never guessed."""
    with pytest.raises(InputError, match=f"^IssueDate is not a date: '{text}'$"):
        issued(text)


# Names of attachments


@pytest.mark.parametrize(
    "name",
    [
        "factur-x.xml",
        "FACTUR-X.XML",
        "zugferd-invoice.xml",
        "ZUGFeRD-invoice.xml",
        "xrechnung.xml",
        "UBL-Invoice-2.1.xml",
        "RE-2024-7_xrechnung.xml",
        "attachments/factur-x.xml",
        "cii.xml",
    ],
)
def test_well_known_names_are_recognised(name: str) -> None:
    """In any case, in any folder."""
    assert is_einvoice_name(name)


@pytest.mark.parametrize(
    "name", ["order-x.xml", "UBL-Order-2.1.xml", "factur-x.pdf", "notes.xml", "double.xml", "xrechnung", ".xml", ""]
)
def test_other_names_are_not(name: str) -> None:
    """An order is no invoice, and a word that merely contains `ubl` is no format."""
    assert not is_einvoice_name(name)
