"""The JSON of every file under OUT: what was written is what is read, and anything else is named."""

from __future__ import annotations

from typing import Any

import pytest

from counterfoil.errors import ManifestCorrupt
from counterfoil.jsonfile import decode, encode


@pytest.mark.parametrize(
    "value", [{}, {"a": None, "b": [1, -2.5, True], "ü ✓": {"deep": '\n\t"\\\u2028\x7f'}}, {"n": 2**63 - 1}]
)
def test_what_is_written_is_what_is_read(value: dict[str, Any]):
    """Whatever text and numbers it holds."""
    assert decode(encode(value), "x") == value


def test_it_is_written_for_people():
    """Indented, letters as they are, keys in the order they were given, a newline at the end."""
    assert encode({"b": "é", "a": [1]}) == '{\n  "b": "é",\n  "a": [\n    1\n  ]\n}\n'.encode()


def test_one_value_has_one_form():
    """A commit that is sent again is the same to the byte, also where the text is broken."""
    for value in ({"a": 1, "b": "x"}, {"a": "broken \ud800", "b": 1}):
        assert encode(value) == encode(dict(value))


def test_broken_text_of_a_broken_document_becomes_a_question_mark():
    """A lone surrogate can be in no UTF-8; the rest of the record is kept, in the same form."""
    assert encode({"a": "x\ud800y", "é": 1}) == '{\n  "a": "x?y",\n  "é": 1\n}\n'.encode()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "is not JSON"),
        (b'{"cut": ', "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b'{"a": NaN}', "is not JSON"),
        (b"[]", "does not hold a JSON object"),
        (b'"text"', "does not hold a JSON object"),
        (b"null", "does not hold a JSON object"),
    ],
)
def test_anything_else_is_corrupt_and_the_file_is_named(body: bytes, why: str):
    """A person must know what to restore."""
    with pytest.raises(ManifestCorrupt, match=rf"^OUT/manifest/0000\.json {why}.*; restore it"):
        decode(body, "OUT/manifest/0000.json")
