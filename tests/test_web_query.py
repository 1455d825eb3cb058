"""Which documents a list shows: what an address says, what it chooses, and that one leads back to the other."""

from __future__ import annotations

from decimal import Decimal
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.web_made import record

from counterfoil.web_query import SIZES, SORTS, STATUSES, Query, parse
from counterfoil.web_rows import Row, row_of

ROWS = [
    row_of("b.pdf", record(seller="Zeta AG", gross="9.00", date="2026-01-02", findings=["lines.sum"])),
    row_of("a.pdf", record("review", seller="alpha Ltd", gross="100.00", date="2026-02-01", number="X-77")),
    row_of("c.pdf", record("failed", reason="3 pages are too many")),
    row_of("d.zip", record(reader="container")),
    row_of("e.pdf", record("pending")),
    row_of("f.xml", record(seller="Beta", gross="20.5", date="2026-01-31", reader="xml", currency="USD")),
]


def chosen(address: str, rows: list[Row] = ROWS) -> str:
    query, bad = parse(parse_qsl(address))
    assert not bad
    return " ".join(row.document.partition(".")[0] for row in query.choose(rows))


@pytest.mark.parametrize(
    ("address", "documents"),
    [
        ("", "a b c e f"),
        ("status=done", "b f"),
        ("status=done&status=review", "a b f"),
        ("status=container", "d"),
        ("finding=lines.sum", "b"),
        ("reader=xml", "f"),
        ("seller=ETA", "b f"),
        ("min=9.01", "a f"),
        ("max=20.5", "b f"),
        ("min=9&max=20.5", "b f"),
        ("from=2026-01-31", "a f"),
        ("to=2026-01-31", "b f"),
        ("q=x-77", "a"),
        ("q=too+many", "c"),
        ("q=F.XML", "f"),
        ("reason=…+pages+are+too+many", "c"),
        ("sort=gross", "b f a c e"),
        ("sort=-gross", "a f b c e"),
        ("sort=seller", "a f b c e"),
        ("sort=-document", "f e c b a"),
        ("sort=status&status=done&status=failed", "b f c"),
        ("q=nothing+like+it", ""),
    ],
)
def test_an_address_chooses(address: str, documents: str):
    """Text without regard to case, bounds inclusive; without a value to sort by, last in both directions."""
    assert chosen(address) == documents


@given(
    st.builds(
        Query,
        statuses=st.lists(st.sampled_from(STATUSES), unique=True).map(tuple),
        finding=st.sampled_from(["", "lines.sum"]),
        seller=st.text(max_size=20).map(str.strip),
        text=st.text(max_size=20).map(str.strip),
        reason=st.text(max_size=20).map(str.strip),
        least=st.none() | st.decimals(-1000, 1000, places=2),
        since=st.sampled_from(["", "2026-01-31"]),
        sort=st.sampled_from(sorted(SORTS)),
        descending=st.booleans(),
        page=st.integers(1, 2000),
        size=st.sampled_from(SIZES),
    )
)
@settings(max_examples=100, deadline=None)
def test_an_address_says_all_of_a_query(query: Query):
    """It can be sent to a colleague."""
    assert parse(parse_qsl(query.address())) == (query, [])


def test_the_usual_is_not_in_the_address():
    """Nobody reads a long one."""
    assert Query().address() == ""
    assert Query(statuses=("review",), least=Decimal("1E+3")).address() == "status=review&min=1000"


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("min=12,50", "amount from: 12,50 is no number; write it like 1234.56"),
        ("max=nan", "amount to: nan is no number; write it like 1234.56"),
        ("min=1e999999", "amount from: 1e999999 is no number; write it like 1234.56"),
        ("min=1e-999999999", "amount from: 1e-999999999 is no number; write it like 1234.56"),
        ("from=31.1.2026", "date from: 31.1.2026 is no date; write it like 2026-01-31"),
    ],
)
def test_a_value_that_can_t_be_meant_is_named_and_left_out(address: str, sentence: str):
    """The list is shown all the same."""
    query, bad = parse(parse_qsl(address))
    assert (query, bad) == (Query(), [sentence])


@pytest.mark.parametrize(
    "address", ["status=odd", "sort=odd", "size=7", "page=0", "page=-1", "page=x", "page=9" * 30, "odd=1"]
)
def test_what_no_page_of_ours_says_is_as_usual(address: str):
    """An address is mended by hand, or by a search engine."""
    assert parse(parse_qsl(address)) == (Query(), [])
