"""The limits of reading: each has an option and a line in docs/limits.md, and passing one is said, never cut."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from tests.containers_made import make_docx, make_mail, make_zip, paragraph, table

from counterfoil.cli import cli
from counterfoil.cli_limits import FLAGS, limit_options
from counterfoil.containers import parts_of
from counterfoil.document import Limits
from counterfoil.errors import InputError
from counterfoil.reader import read_document
from pdfmaker import make_pdf

PAGE = (Path(__file__).parents[1] / "docs" / "limits.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("field", [field.name for field in fields(Limits)])
def test_every_limit_has_an_option_and_a_line_with_its_default(field: str):
    """Whoever meets a limit finds it."""
    default = getattr(Limits(), field)
    assert f"| `{FLAGS[field]}` | {default:,.0f} |" in PAGE
    assert FLAGS[field] in [name for option in cli.commands["run"].params for name in option.opts]


def asked(*arguments: str) -> Any:
    """What a command with these options gets, or click's complaint."""
    seen: list[Limits] = []

    @click.command()
    @limit_options
    def command(limits: Limits) -> None:
        seen.append(limits)

    result = CliRunner().invoke(command, arguments)
    return seen[0] if seen else result.output


def test_options_become_limits():
    """Those not given are the usual ones; sizes may have units."""
    assert asked() == Limits()
    assert asked("--max-bytes", "2GB", "--max-pages", "7", "--max-seconds", "1.5") == Limits(2 * 10**9, 7, seconds=1.5)
    assert "is no number above 0, e.g. 200MB" in asked("--max-memory", "much")
    assert "is no number above 0" in asked("--max-ratio", "0")


HTML = b"<html><body><p>Some text of an invoice, and more</p><table><tr><td>a<td>b<td>c</table></body></html>"


@pytest.mark.parametrize(
    ("data", "limits", "reason"),
    [
        (make_pdf([[(50, 50, 12, "Invoice")]] * 3), {"max_pages": 2}, "3 pages, more than the limit of 2"),
        (make_pdf([[(50, 50, 12, "Invoice")]]), {"max_text": 3}, "more text than the limit, on page 1"),
        (HTML, {"max_text": 20}, "more text than the limit of 20 characters"),
        (HTML, {"max_cells": 2}, "more cells than the limit of 2"),
        (make_docx(paragraph("x" * 50)), {"max_text": 20}, "more text than the limit of 20 characters"),
        (make_docx(table(("a", "b", "c"))), {"max_cells": 2}, "more cells than the limit of 2"),
        (make_docx(paragraph("x" * 50)), {"max_xml_bytes": 50}, "bytes, more than the limit of 50"),
        (make_docx(table(("a",))), {"max_xml_depth": 4}, "nested deeper than the 4 levels allowed"),
        (make_docx(paragraph("x")), {"max_entries": 1}, "Word file has more entries than the limit of 1"),
        (make_docx(paragraph("x")), {"max_unpacked": 9}, "bytes, more than the limit of 9"),
    ],
)
def test_a_document_past_a_limit_fails_and_names_it(data: bytes, limits: Any, reason: str):
    """It is never read in part."""
    with pytest.raises(InputError, match=reason):
        read_document(data, Limits(**limits), rules="always")


@pytest.mark.parametrize(
    ("data", "limits", "reason"),
    [
        (make_zip({"a.pdf": b"x", "b.pdf": b"y"}), {"max_entries": 1}, "more entries than the limit of 1"),
        (make_zip({"a.pdf": b"x" * 100}), {"max_unpacked": 99}, "unpacks to 100 bytes, more than the limit of 99"),
        (make_zip({"a.pdf": bytes(20_000_000)}), {}, "times its size, more than the limit of 200 times"),
        (make_mail(a__pdf=b"x", b__pdf=b"y"), {"max_entries": 2}, "the mail has 3 parts, more than the limit of 2"),
    ],
)
def test_an_archive_or_a_mail_past_a_limit_fails_and_names_it(data: bytes, limits: Any, reason: str):
    """Before anything of it is unpacked."""
    with pytest.raises(InputError, match=reason):
        parts_of(data, Limits(**limits))
