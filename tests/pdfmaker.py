"""Writes small PDFs for tests: Helvetica, WinAnsi, text at given places, and on request one embedded file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from textwrap import dedent

Placed = tuple[float, float, float, str]
"""x and y of the baseline's start in points, y from the TOP edge downwards, font size, text."""


def make_pdf(
    pages: Sequence[Iterable[Placed]],
    *,
    size: tuple[float, float] = (595, 842),
    rotate: int = 0,
    attachment: tuple[str, bytes] | None = None,
    prologue: str = "",
) -> bytes:
    """A valid PDF with one page for each list of texts.

    `rotate` is the /Rotate of every page (the places are then those of the unrotated page); `attachment` is one
    embedded file, name and bytes; `prologue` is raw content drawn before the text of every page.
    """
    objects: list[bytes] = [b"", b""]  # 1 is the catalogue, 2 the page tree: written last, since they name the rest
    font = _add(objects, b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>")
    kids = [_add_page(objects, texts, size, rotate, font, prologue) for texts in pages]
    names = _add_attachment(objects, *attachment) if attachment else b""
    objects[0] = b"<</Type/Catalog/Pages 2 0 R" + names + b">>"
    kid_list = b" ".join(b"%d 0 R" % kid for kid in kids)
    objects[1] = b"<</Type/Pages/Count %d/Kids[%s]>>" % (len(kids), kid_list)
    return _file(objects)


def table(top: float, columns: Sequence[float], rows: Sequence[Sequence[str]], size: float = 9) -> list[Placed]:
    """Rows of cells, 14 points apart from `top` down; an empty cell places nothing."""
    return [
        (x, top + 14 * index, size, cell)
        for index, row in enumerate(rows)
        for x, cell in zip(columns, row, strict=False)
        if cell
    ]


def drawn(picture: str) -> list[Placed]:
    """A page drawn with characters, 5 points wide and 13 high: each run of text goes where it stands in the picture.

    Two spaces or more part two runs.
    """
    rows = dedent(picture).strip("\n").splitlines()
    return [
        (30 + 5 * run.start(), 40 + 13 * number, 8, run.group())
        for number, row in enumerate(rows)
        for run in re.finditer(r"\S+(?: \S+)*", row)
    ]


def lines(x: float, top: float, texts: Sequence[str], size: float = 10) -> list[Placed]:
    """Texts below each other, 1.3 font sizes apart."""
    return [(x, top + index * size * 1.3, size, text) for index, text in enumerate(texts)]


def _add(objects: list[bytes], body: bytes) -> int:
    objects.append(body)
    return len(objects)


def _add_page(
    objects: list[bytes], texts: Iterable[Placed], size: tuple[float, float], rotate: int, font: int, prologue: str
) -> int:
    width, height = size
    shown = "".join(f"BT /F1 {s} Tf {x} {height - y} Td ({_escape(text)}) Tj ET\n" for x, y, s, text in texts)
    stream = _add(objects, _stream((prologue + shown).encode("cp1252", "replace")))
    return _add(
        objects,
        f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 {width} {height}]/Rotate {rotate}/Contents {stream} 0 R"
        f"/Resources<</Font<</F1 {font} 0 R>>>>>>".encode(),
    )


def _add_attachment(objects: list[bytes], name: str, body: bytes) -> bytes:
    stream = _add(objects, _stream(body, b"/Type/EmbeddedFile/Subtype/text#2Fxml"))
    spec = _add(
        objects,
        f"<</Type/Filespec/F({_escape(name)})/UF({_escape(name)})/AFRelationship/Alternative"
        f"/EF<</F {stream} 0 R>>>>".encode("cp1252"),
    )
    return f"/AF[{spec} 0 R]/Names<</EmbeddedFiles<</Names[({_escape(name)}){spec} 0 R]>>>>".encode("cp1252")


def _stream(body: bytes, keys: bytes = b"") -> bytes:
    return b"<<%s/Length %d>>stream\n%s\nendstream" % (keys, len(body), body)


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")


def _file(objects: list[bytes]) -> bytes:
    out = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    offsets: list[int] = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)
