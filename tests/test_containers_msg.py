"""Outlook messages: what is attached to them, and to messages that are attached to them."""

from __future__ import annotations

import pytest
from tests.batch import invoice_pdf
from tests.ole_made import make_msg, make_ole, message

from counterfoil.containers import extract, parts_of
from counterfoil.document import Limits
from counterfoil.errors import InputError
from counterfoil.kinds import kind_of

PDF = invoice_pdf("P-1").ljust(5120, b"\n")


def names(data: bytes) -> list[str]:
    assert kind_of(data) == "msg"
    return [part.name for part in parts_of(data, Limits())]


def test_what_is_attached_is_a_document_byte_for_byte():
    """By its long name."""
    data = make_msg("<p>see</p>", invoice__pdf=PDF, second__pdf=PDF)
    assert names(data) == ["invoice.pdf", "second.pdf"]
    assert extract(data, "second.pdf", Limits(), 0) == {"second.pdf": PDF}


def test_a_message_in_a_message_is_opened():
    """Its name is part of the way."""
    assert names(make_msg(forwarded=message(a__pdf=PDF), b__pdf=PDF)) == ["forwarded/a.pdf", "b.pdf"]


def test_the_body_is_the_document_where_nothing_is_attached():
    """As HTML, or as text that is made HTML."""
    assert names(make_msg("<html><p>Total 119.00</p></html>")) == ["body.html"]
    body = extract(make_msg(plain="Total   119.00"), "body.html", Limits(), 0)["body.html"]
    assert b"<pre>Total   119.00" in (body if isinstance(body, bytes) else b"")


def test_messages_are_bounded_in_depth():
    """As archives are."""
    inner = message(a__pdf=PDF)
    for _ in range(4):
        inner = message(again=inner)
    with pytest.raises(InputError, match="nested deeper than the limit of 3"):
        names(make_ole(inner))


def test_a_damaged_message_says_so():
    """Cut off at its end, or with its sectors out of place."""
    whole = make_msg(a__pdf=PDF)
    cut = whole[:512] + bytes(2000) + whole[512:9000]  # its sectors are no longer where they are said to be
    for data in (whole[:-600], cut):
        with pytest.raises(InputError, match=r"damaged|no document"):
            parts_of(data, Limits())
