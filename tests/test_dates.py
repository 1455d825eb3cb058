"""Dates: six languages, and no guess about which number is the month."""

from __future__ import annotations

from datetime import date

import pytest

from counterfoil.dates import find_dates, month_first, parse_date


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2024-09-24", date(2024, 9, 24)),
        ("2024/09/24", date(2024, 9, 24)),
        ("24.09.2024", date(2024, 9, 24)),
        ("3.4.24", date(2024, 4, 3)),
        ("24 Sep 2024", date(2024, 9, 24)),
        ("24-Sep-24", date(2024, 9, 24)),
        ("September 24, 2024", date(2024, 9, 24)),
        ("Sept. 24th, 2024", date(2024, 9, 24)),
        ("August 3 , 2014", date(2014, 8, 3)),
        ("11. Juli 2014", date(2014, 7, 11)),
        ("7. März 2014", date(2014, 3, 7)),
        ("1er août 2023", date(2023, 8, 1)),
        ("19 april 2014", date(2014, 4, 19)),
        ("5 maart 2024", date(2024, 3, 5)),
        ("3 gennaio 2024", date(2024, 1, 3)),
        ("15 de marzo de 2024", date(2024, 3, 15)),
        ("15 de diciembre del 2024", date(2024, 12, 15)),
        ("15/11/2019", date(2019, 11, 15)),
        ("11/15/2019", date(2019, 11, 15)),
        ("05/05/2019", date(2019, 5, 5)),
    ],
)
def test_a_date_is_read_in_the_language_it_is_written_in(text: str, value: date) -> None:
    """Month names, ordinals and the order of the parts differ by country."""
    assert parse_date(text) == value


def test_an_ambiguous_date_is_none_until_something_tells() -> None:
    """03/04/2024 is March in the US and April elsewhere."""
    assert parse_date("03/04/2024") is None
    assert parse_date("03/04/2024", month_first=True) == date(2024, 3, 4)
    assert parse_date("03/04/2024", month_first=False) == date(2024, 4, 3)


@pytest.mark.parametrize("text", ["31.02.2024", "2024-13-01", "99/99/2024", "1.2.3", "10:35", "May", "A12.05.2024B"])
def test_what_is_no_date_is_none(text: str) -> None:
    """Impossible days are not moved to possible ones."""
    assert parse_date(text) is None


def test_a_date_in_a_sentence_is_found_where_it_stands() -> None:
    """The place is that of the original text, accents and all."""
    text = "Réglé le 3 février 2024, échéance 04.05.2024"
    found = list(find_dates(text))
    assert [text[f.start : f.end] for f in found] == ["3 février 2024", "04.05.2024"]
    assert [f.value for f in found] == [date(2024, 2, 3), date(2024, 5, 4)]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("11/15/2019 and 01/02/2019", True),
        ("15/11/2019", False),
        ("15/11/2019 11/15/2019", None),
        ("01/02/2019", None),
    ],
)
def test_one_unambiguous_date_tells_how_the_others_are_written(text: str, first: bool | None) -> None:
    """Proofs that contradict each other prove nothing."""
    assert month_first(text) is first
