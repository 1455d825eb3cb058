"""A PDF as long as is asked for, made here so that the lab needs no file: an invoice whose positions fill its pages."""

from __future__ import annotations

_ROWS = 62


def long_invoice(pages: int) -> bytes:
    """The bytes of an invoice with this many pages of positions."""
    kids = " ".join(f"{4 + 2 * page} 0 R" for page in range(pages))
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Count {pages}/Kids[{kids}]>>",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    for page in range(pages):
        text = _page(page)
        objects.append(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents {5 + 2 * page} 0 R"
            "/Resources<</Font<</F1 3 0 R>>>>>>"
        )
        objects.append(f"<</Length {len(text)}>>stream\n{text}\nendstream")
    return _file(objects)


def _page(page: int) -> str:
    rows = [f"Invoice 2024-000417, page {page + 1}"]
    for row in range(_ROWS):
        number = page * _ROWS + row + 1
        rows.append(
            f"{number:06}   Paper, A4, white, 80 g, box of five reams   12   {number % 90 + 9}.95   {number * 3}.40"
        )
    return "".join(f"BT /F1 8 Tf 40 {810 - 12.4 * n:.1f} Td ({row}) Tj ET\n" for n, row in enumerate(rows))


def _file(objects: list[str]) -> bytes:
    out, offsets = b"%PDF-1.7\n", list[int]()
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode("ascii")
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    end = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer<</Size {len(objects) + 1}/Root 1 0 R>>\n"
    return out + f"{end}startxref\n{len(out)}\n%%EOF\n".encode("ascii")
