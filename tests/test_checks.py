"""What the checks find in an invoice, and what they leave alone."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from counterfoil.checks import check_invoice, contradicts_page, tidy
from counterfoil.checks_ids import valid_iban
from counterfoil.checks_notation import Notation
from counterfoil.document import Finding
from counterfoil.invoice import AllowanceCharge, Invoice, LineItem, TaxLine

TODAY = date(2026, 11, 24)
PAGE = """
Rechnung RE-2026/17            Datum 3. März 2026
20 Stk. Trennblätter   9,90    198,00
50 kg   Joghurt        5,50    275,00
Summe netto                    473,00
7 % USt. auf 275,00             19,25
19 % USt. auf 198,00            37,62
Gesamtbetrag EUR               529,87
IBAN DE88 2008 0000 0970 3757 00
"""


def sound(**changes: Any) -> Invoice:
    """An invoice on which there is nothing to find, and which `PAGE` shows."""
    fields: dict[str, Any] = {
        "invoice_number": "RE-2026/17",
        "issue_date": date(2026, 3, 3),
        "due_date": date(2026, 4, 2),
        "currency": "EUR",
        "seller_name": "Lieferant GmbH",
        "seller_tax_id": "DE136695976",
        "line_total": "473.00",
        "net_total": "473.00",
        "tax_total": "56.87",
        "gross_total": "529.87",
        "amount_due": "529.87",
        "iban": "DE88200800000970375700",
        "line_items": [
            line("198.00", quantity="20", unit_price="9.90"),
            line("275.00", quantity="50", unit_price="5.5"),
        ],
        "tax_lines": [tax("7", "275.00", "19.25"), tax("19", "198.00", "37.62")],
    }
    return Invoice(**(fields | changes))


def line(net: str, **more: Any) -> LineItem:
    return LineItem(description="goods", net_amount=net, **more)  # pyright: ignore[reportArgumentType]


def tax(rate: str, base: str, amount: str) -> TaxLine:
    return TaxLine.model_validate({"rate": rate, "base": base, "amount": amount})


def allowance(amount: str) -> AllowanceCharge:
    return AllowanceCharge.model_validate({"charge": False, "amount": amount})


def codes(findings: list[Finding], severity: str | None = None) -> list[str]:
    return sorted(f.code for f in findings if severity in (None, f.severity))


def found(invoice: Invoice, reader: str = "xml", page: str | None = None) -> list[str]:
    return codes(check_invoice(invoice, reader=reader, page_text=page, today=TODAY))


def errors(invoice: Invoice, reader: str = "xml", page: str | None = None) -> list[str]:
    return codes(check_invoice(invoice, reader=reader, page_text=page, today=TODAY), "error")


@pytest.mark.parametrize("reader", ["xml", "rules", "model"])
def test_nothing_is_found_on_a_sound_invoice(reader: str) -> None:
    """A check that cries wolf is a check that people switch off."""
    assert found(sound(), reader, PAGE) == []
    assert contradicts_page(sound(), PAGE) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"invoice_number": None}, "missing.invoice_number"),
        ({"issue_date": None}, "missing.issue_date"),
        ({"currency": None}, "missing.currency"),
        ({"seller_name": None}, "missing.seller_name"),
        ({"gross_total": None, "amount_due": None}, "missing.gross_total"),
        ({"currency": "EURO"}, "currency.unknown"),
        ({"gross_total": "539.87", "amount_due": "539.87"}, "amounts.gross"),
        ({"prepaid": "100.00", "amount_due": "449.87"}, "amounts.due"),
        ({"allowance_total": "10.00"}, "amounts.net"),
        ({"line_items": [line("198.00")]}, "lines.sum"),
        ({"tax_lines": [tax("19", "275.00", "19.25"), tax("19", "198.00", "37.62")]}, "tax.row"),
        ({"tax_lines": [tax("19", "198.00", "37.62")]}, "tax.sum"),
    ],
)
def test_a_contradiction_or_a_missing_must_have_is_an_error(changes: dict[str, Any], code: str) -> None:
    """Exactly the one that is there: one mistake is not five findings."""
    assert errors(sound(**changes)) == [code]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount_due": "329.87"}, "amounts.due_unexplained"),
        ({"line_items": [line("198.00", quantity="21", unit_price="9.90"), line("275.00")]}, "lines.price"),
        ({"tax_lines": [tax("7", "275.00", "19.25"), tax("19", "198.00", "37.62"), tax("0", "9", "0")]}, "tax.base"),
        ({"due_date": date(2026, 3, 2)}, "dates.due"),
        ({"due_date": date(2036, 3, 2)}, "dates.due_late"),
        ({"issue_date": date(2026, 11, 26), "due_date": None}, "dates.future"),
        ({"issue_date": date(26, 3, 3), "due_date": None}, "dates.old"),
        ({"delivery_date": date(2024, 3, 3)}, "dates.delivery"),
        ({"iban": "DE88200800000970375701"}, "iban.invalid"),
        ({"iban": "DE8820080000097037570"}, "iban.invalid"),
        ({"seller_tax_id": "DE123456789"}, "vat.invalid"),
        ({"buyer_tax_id": "ATU1234567"}, "vat.invalid"),
    ],
)
def test_what_is_odd_but_can_be_right_is_a_warning(changes: dict[str, Any], code: str) -> None:
    """It is told, and does not hold the document up."""
    assert found(sound(**changes)) == [code]
    assert errors(sound(**changes)) == []


def test_a_finding_says_the_values_in_a_sentence() -> None:
    """An accountant must be able to see what is wrong without opening anything."""
    [finding] = check_invoice(sound(gross_total="539.87", amount_due=None), reader="xml")
    assert finding.message == "net 473.00 + tax 56.87 is 529.87, but the gross total is 539.87"
    assert finding.field == "gross_total"


@pytest.mark.parametrize(
    "number",
    ["201/113/40209", "DE 201/113/40209", "HRB 12345", "12-3456789", "99999999800010", "IT Department", "US12-3456789"],
)
def test_a_tax_number_that_is_no_vat_id_is_not_judged(number: str) -> None:
    """A Steuernummer, a register's number or an EIN has rules of its own."""
    assert found(sound(seller_tax_id=number)) == []


@pytest.mark.parametrize(
    "number",
    [
        "ATU57194903",
        "ESB58378431",
        "FR61954506077",
        "EL094259216",
        "GB980780684",
        "CHE-107.787.577 MWST",
        "NO 995525828 MVA",
    ],
)
def test_vat_ids_of_many_countries_are_known_by_their_checksum(number: str) -> None:
    """The right one passes; with one figure changed, it does not."""
    assert found(tidy(sound(seller_tax_id=number))) == []
    at = max(i for i, c in enumerate(number) if c.isdigit())
    wrong = number[:at] + str((int(number[at]) + 1) % 10) + number[at + 1 :]
    assert found(tidy(sound(seller_tax_id=wrong))) == ["vat.invalid"]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_credit_note_may_have_either_sign(sign: int) -> None:
    """Some sellers credit -100, some 100, some with lines of one sign and totals of the other."""
    amounts = {"line_total": 473, "net_total": 473, "tax_total": Decimal("56.87"), "gross_total": Decimal("529.87")}
    totals = {name: sign * Decimal(value) for name, value in amounts.items()}
    note = sound(doc_type="credit_note", amount_due=totals["gross_total"], **totals)
    assert found(note) == []
    assert errors(note, "rules", PAGE) == []
    broken = note.model_copy(update={"gross_total": sign * Decimal("539.87"), "amount_due": None})
    assert errors(broken) == ["amounts.gross"]


def test_a_negative_or_zero_total_of_an_invoice_is_worth_a_word() -> None:
    """It may be a credit note that says it is an invoice."""
    nothing = {"line_items": [], "tax_lines": [], "line_total": None, "net_total": None, "tax_total": None}
    negative = found(sound(gross_total="-5", amount_due="-5", **nothing))
    assert negative == ["amounts.negative", "amounts.unconfirmed"]
    assert found(sound(gross_total="0.00", amount_due="0.00", **nothing)) == ["amounts.zero"]


def test_rounding_within_a_cent_for_each_part_is_no_contradiction() -> None:
    """Thirty lines, each rounded, may be 0.30 off; a payment may be rounded to 0.05 by BT-114."""
    lines = [line("10.01") for _ in range(30)]
    rounded = sound(
        line_items=lines, line_total="300.00", net_total="300.00", tax_total="57.00", gross_total="357.00",
        rounding="0.03", amount_due="357.03", tax_lines=[tax("19", "300.00", "57.02")],
    )  # fmt: skip
    assert found(rounded) == []
    assert errors(sound(line_items=[line("198.00"), line("275.05")])) == ["lines.sum"]


def test_rows_that_only_group_or_inform_are_not_added_up() -> None:
    """Their amounts are those of the lines beneath them."""
    group = line("473.00", status="GROUP")
    assert found(sound(line_items=[line("198.00"), line("275.00"), group])) == []


def test_allowances_count_whether_stated_as_a_total_or_as_rows() -> None:
    """BT-107 where there is one, and the rows where there is none."""
    less = {"line_total": "493.00", "line_items": [line("493.00")]}
    assert found(sound(**less, allowance_total="20.00")) == []
    assert found(sound(**less, allowances_charges=[allowance("20.00")])) == []
    assert found(sound(line_total=None, line_items=[line("493.00")], allowances_charges=[allowance("20.00")])) == []


def test_a_price_for_a_hundred_pieces_or_a_rounded_price_is_not_odd() -> None:
    """The price base is not among an invoice's fields, and unit prices are printed rounded."""
    lines = [line("198.00", quantity="2000", unit_price="9.90"), line("275.00", quantity="700", unit_price="0.393")]
    assert found(sound(line_items=lines)) == []


def test_a_yen_is_not_divided() -> None:
    """One yen more or less is what rounding does to it, a cent more or less what it does to a euro."""
    yen = {"line_items": [], "tax_lines": [], "line_total": None, "net_total": "1005", "tax_total": "100"}
    assert found(sound(currency="JPY", gross_total="1106", amount_due="1106", **yen)) == []
    assert errors(sound(currency="EUR", gross_total="1106", amount_due="1106", **yen)) == ["amounts.gross"]


ANY_AMOUNT = st.decimals(allow_nan=False, allow_infinity=False)
BARE: dict[str, Any] = {
    "line_items": [], "tax_lines": [], "line_total": None, "net_total": None, "tax_total": None, "amount_due": None,
}  # fmt: skip


@pytest.mark.parametrize("reader", ["rules", "model"])
def test_a_total_that_nothing_confirms_is_never_done(reader: str) -> None:
    """Neither alone, nor with an equal amount due, which may be the same figure read twice."""
    assert "amounts.unconfirmed" in errors(sound(**BARE), reader, PAGE)
    assert "amounts.unconfirmed" in errors(sound(**BARE | {"amount_due": "529.87"}), reader, PAGE)
    assert "amounts.unconfirmed" in errors(sound(**BARE | {"gross_total": None, "amount_due": "529.87"}), reader, PAGE)
    assert errors(sound(**BARE), "xml", PAGE) == []


@pytest.mark.parametrize(
    "confirmation",
    [
        {"net_total": "473.00", "tax_total": "56.87"},
        {"tax_lines": [tax("7", "275.00", "19.25"), tax("19", "198.00", "37.62")]},
        {"line_items": [line("198.00"), line("275.00")], "tax_total": "56.87"},
    ],
)
def test_a_total_is_confirmed_by_arithmetic(confirmation: dict[str, Any]) -> None:
    """Net and tax, or the breakdown, or the lines and the tax."""
    assert errors(sound(**BARE | confirmation), "rules", PAGE) == []


@pytest.mark.parametrize("wrong", ["473.00", "198.00", "275.00", "56.87", "37.62"])
def test_no_other_amount_of_the_page_passes_for_the_total(wrong: str) -> None:
    """Whatever else was read along with it, and if it was read for the net total too."""
    lines = {"line_items": [line(wrong)]}
    for more in (
        {},
        {"net_total": wrong},
        {"net_total": wrong, "tax_total": "0.00"},
        lines,
        lines | {"tax_total": "0"},
    ):
        assert errors(sound(**BARE | more | {"gross_total": wrong}), "rules", PAGE), more


def test_without_tax_the_lines_confirm_a_total_if_the_page_has_none_larger() -> None:
    """A seller who charges no tax prints no rate; the sum of the lines is the total then."""
    page = "Invoice RE-2026/17 in EUR\nDesign 100.00\nTravel 20.00\nTotal 120.00"
    plain = sound(**BARE | {"gross_total": "120.00", "line_items": [line("100.00"), line("20.00")]})
    assert errors(plain, "rules", page) == []
    for more in ("\nVAT 10 % 12.00", "\nGrand total 132.00", "\nBalance 900.00"):
        assert errors(plain, "rules", page + more) == ["amounts.unconfirmed"]


def test_what_a_model_read_must_be_on_the_page() -> None:
    """Figures that agree with each other can be invented together."""
    invented = sound(**BARE | {"net_total": "400.00", "tax_total": "76.00", "gross_total": "476.00"})
    assert errors(invented, "model", PAGE) == ["amounts.unconfirmed", "model.not_on_page"]
    assert errors(sound(invoice_number="RE-2026/18"), "model", PAGE) == ["model.not_on_page"]
    assert errors(sound(invoice_number="re 2026 17"), "model", PAGE) == []


def test_a_total_in_the_xml_that_the_page_does_not_have_is_an_error_that_shows_both() -> None:
    """The page is what the buyer saw and agreed to."""
    told = contradicts_page(sound(gross_total="629.87", amount_due="629.87"), PAGE)
    assert codes(told, "error") == ["page.gross_total"]
    assert "629.87" in told[0].message
    assert "529.87" in told[0].message


def test_other_differences_between_xml_and_page_are_warnings() -> None:
    """Number, date, account, and what is left to pay."""
    other = sound(
        invoice_number="RE-9", issue_date=date(2026, 3, 4), iban="DE28700100809999999999", amount_due="111.11"
    )  # fmt: skip
    told = contradicts_page(other, PAGE)
    assert codes(told, "warning") == ["page.amount_due", "page.iban", "page.invoice_number", "page.issue_date"]
    assert codes(told, "error") == []
    printed = {"iban": "DE88200800000970375700", "invoice_number": "RE-2026/17", "issue_date": "3. März 2026"}
    for field, value in (printed | {"amount_due": "529.87"}).items():
        assert value in next(f.message for f in told if f.code == f"page.{field}")


def test_a_page_that_prints_only_what_is_left_to_pay_does_not_contradict() -> None:
    """The gross total is missing there, but the amount due speaks for the XML."""
    page = PAGE.replace("529,87", "429,87")
    assert codes(contradicts_page(sound(prepaid="100.00", amount_due="429.87"), page), "error") == []


@pytest.mark.parametrize(
    "page",
    [
        "",
        "Rechnung RE-2026/17\nsiehe Anlage",
        "Summe 12,00",
        "\ue012\ue044\ue018 1,11 2,22 3,33 4,44 " * 9,
        "(cid:17)(cid:20)" * 9,
    ],
)
def test_a_page_that_cannot_speak_contradicts_nothing(page: str) -> None:
    """No text, hardly an amount, or characters that mean nothing."""
    assert contradicts_page(sound(), page) == []


@pytest.mark.parametrize(
    "printed",
    [
        "1.234,50",
        "1,234.50",
        "1 234,50",
        "1\u00a0234,50",
        "1\u202f234,50",
        "1'234.50",
        "1’234.50",
        "1234.50",
        "1234,5",
        "EUR1.234,50-",
    ],
)
def test_an_amount_is_known_in_every_notation(printed: str) -> None:
    """Points, commas, apostrophes and spaces of all kinds, with or without the last zero."""
    assert Notation(f"Total {printed} EUR").shows(Decimal("1234.5"))


@pytest.mark.parametrize("printed", ["1234", "1.234", "1 234,00", "1'234.–", "1.234,-", "1,234.00"])
def test_a_whole_amount_may_lack_its_decimals(printed: str) -> None:
    """Where they are printed, they are zeros or a dash."""
    assert Notation(f"Total {printed}").shows(Decimal("1234.00"))


@pytest.mark.parametrize("printed", ["11234.50", "1234.51", "1234.500.1", "1.234.50.2024", "234.50", "1234"])
def test_a_part_of_another_figure_is_not_the_amount(printed: str) -> None:
    """Nor a date, nor a longer number around it."""
    assert not Notation(f"Total {printed}").shows(Decimal("1234.50"))


@given(st.decimals(min_value=0, max_value=10**9, places=2), st.sampled_from([",.", ".,", " ,", "'."]))
def test_every_amount_that_is_printed_is_found(amount: Decimal, marks: str) -> None:
    """Whatever its size, and whichever marks group and divide it."""
    printed = f"{amount:,.2f}".replace(",", "\0").replace(".", marks[1]).replace("\0", marks[0])
    page = Notation(f"Total  {printed}  EUR")
    assert page.shows(amount)
    assert not page.shows(amount + Decimal("0.01"))
    assert page.amounts == {amount}


@pytest.mark.parametrize(
    "printed",
    [
        *("03.04.2026", "3.4.26", "4/3/2026", "2026-04-03", "20260403", "03-Apr-2026", "3. April 2026"),
        *("3 avril 2026", "3 de abril de 2026", "April 3rd, 2026", "3rd of April 2026"),
    ],
)
def test_a_date_is_known_in_figures_and_in_words(printed: str) -> None:
    """In any order, since the page's is not known."""
    assert Notation(f"Datum: {printed}.").shows_date(date(2026, 4, 3))
    assert not Notation(f"Datum: {printed}.").shows_date(date(2026, 4, 13))


def test_tidying_changes_spelling_only() -> None:
    """Spaces go and letters become capitals where they carry no meaning; nothing is filled in."""
    raw = sound(
        currency="eur", iban="de88 2008 0000 0970 3757 00", seller_tax_id="de 136 695 976", buyer_tax_id="22 815/4"
    )
    neat = tidy(raw)
    assert (neat.currency, neat.iban) == ("EUR", "DE88200800000970375700")
    assert (neat.seller_tax_id, neat.buyer_tax_id) == ("DE136695976", "22 815/4")
    assert tidy(Invoice()) == Invoice()
    assert raw.currency == "eur"


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=200))
def test_no_text_in_an_invoice_makes_a_check_raise(number: str, code: str, page: str) -> None:
    """What a document says is data."""
    odd = tidy(sound(invoice_number=number, iban=code, seller_tax_id=code, buyer_tax_id=number, currency=code))
    for reader in ("xml", "rules", "model"):
        check_invoice(odd, reader=reader, page_text=page, today=TODAY)
    contradicts_page(odd, page + PAGE)


@given(ANY_AMOUNT, ANY_AMOUNT)
@example(Decimal("1E+999999"), Decimal("1E-999999"))
@example(Decimal("1E+300"), Decimal(0))
def test_no_amount_makes_a_check_raise(one: Decimal, two: Decimal) -> None:
    """Not even 1E+300, nor one of thirty decimals."""
    odd = sound(
        gross_total=one, net_total=two, line_items=[LineItem(quantity=one, unit_price=two, net_amount=one)],
        tax_lines=[TaxLine(rate=two, base=one, amount=two)], prepaid=two,
    )  # fmt: skip
    for reader in ("xml", "model"):
        check_invoice(odd, reader=reader, page_text=PAGE, today=TODAY)
    contradicts_page(odd, PAGE)


def test_what_can_be_no_amount_is_an_error() -> None:
    """Nobody owes ten quadrillions; but a program may write out the whole of a binary fraction."""
    assert errors(sound(gross_total="1E+16", amount_due=None)) == ["amounts.absurd"]
    assert errors(sound(line_items=[line("473.00", quantity="1E-50")])) == ["amounts.absurd"]
    assert errors(sound(line_items=[line("473.00", quantity="33.33333333333333570180911920033395")])) == []


def test_an_iban_is_valid_by_country_length_and_checksum() -> None:
    """Spaces do not matter."""
    assert valid_iban("GR16 0110 1050 0000 1054 7023 795")
    assert not valid_iban("GR17 0110 1050 0000 1054 7023 795")
    assert not valid_iban("XX00 1234")
