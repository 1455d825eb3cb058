"""Amounts: every country's way of writing, and nothing guessed."""

from __future__ import annotations

from decimal import Decimal

import pytest

from counterfoil.amounts import DecimalMark, decimal_mark, find_amounts, parse_amount


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.234,56", "1234.56"),
        ("1,234.56", "1234.56"),
        ("1 234,56", "1234.56"),
        ("1\u202f234,56 €", "1234.56"),
        ("1'234.56", "1234.56"),
        ("1’234.50", "1234.50"),
        ("1,23,456.78", "123456.78"),
        ("12.345.678,90", "12345678.90"),
        ("-12,00", "-12.00"),
        ("12,00-", "-12.00"),
        ("−12.00", "-12.00"),
        ("(12.00)", "-12.00"),
        ("$(12.00)", "-12.00"),
        ("€ 5", "5"),
        ("EUR 1.000,00", "1000.00"),
        ("-€ 9,32", "-9.32"),
        ("€ -9,32", "-9.32"),
        ("US$1,000.00", "1000.00"),
        ("CHF 12.-", "12"),
        ("12.50 USD", "12.50"),
        ("0.125", "0.125"),
        ("1,0000", "1.0000"),
        ("1.000.000", "1000000"),
        (".50", "0.50"),
    ],
)
def test_a_number_is_read_as_it_is_written_where_it_is_written(text: str, value: str | None) -> None:
    """The separators say by themselves which of them is the decimal mark."""
    assert parse_amount(text) == (None if value is None else Decimal(value))


@pytest.mark.parametrize(
    ("text", "hint", "value"),
    [
        ("1.000", None, None),
        ("1,000", None, None),
        ("1.000", ",", "1000"),
        ("1.000", ".", "1.000"),
        ("1,000", ".", "1000"),
        ("1,000", ",", "1.000"),
        ("EUR 1.000", ",", "1000"),
    ],
)
def test_a_lone_separator_before_three_digits_needs_a_hint(
    text: str, hint: DecimalMark | None, value: str | None
) -> None:
    """A thousand or one: only the rest of the document can tell."""
    assert parse_amount(text, decimal_hint=hint) == (None if value is None else Decimal(value))


@pytest.mark.parametrize("text", ["", "abc", "12-34", "1.2.3", "1,2,3", "12%", "1 2 3", "--5", "5,", "9" * 40])
def test_what_is_no_amount_is_none(text: str) -> None:
    """Ill-formed groups, percentages and words are refused rather than repaired."""
    assert parse_amount(text) is None


def test_the_scale_is_kept() -> None:
    """12.50 stays 12.50, so that what is exported looks like what is printed."""
    assert str(parse_amount("12,50")) == "12.50"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("Total: EUR 1.234,56", ["1234.56"]),
        ("MwSt. 19 % auf 100,00 = 19,00", ["100.00", "19.00"]),
        ("vom 01.10.2018 um 10:35", []),
        ("15/11/2019 INV-100", []),
        ("2 x 7.50 USD", ["2", "7.50"]),
        ("VAT 20% £ 4.00", ["4.00"]),
    ],
)
def test_amounts_in_a_text_are_found_and_dates_are_not(text: str, values: list[str]) -> None:
    """Percentages, dates, times and identifiers carry digits too."""
    assert [found.value for found in find_amounts(text)] == [Decimal(value) for value in values]


@pytest.mark.parametrize(
    ("text", "mark"),
    [("12,50 und 1.000,00", ","), ("12.50 and 1,000.00", "."), ("12.50 and 13,50", None), ("5", None)],
)
def test_the_decimal_mark_is_what_amounts_with_cents_agree_on(text: str, mark: str | None) -> None:
    """Evidence that contradicts itself is none."""
    assert decimal_mark(text) == mark


def test_a_long_run_of_digits_takes_no_long_time() -> None:
    """Hostile pages must not keep the reader busy: the work grows with the text, not with its square."""
    assert decimal_mark("1" * 200_000) is None
    assert list(find_amounts("1" * 200_000)) == []
    assert list(find_amounts("1,1" * 50_000)) == []
