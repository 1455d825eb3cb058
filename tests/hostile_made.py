"""Hostile documents of our own making: bombs, lies, loops and tricks, each with the reason with which it must end.

`HOSTILE` names them; each entry is (bytes made when asked for, a pattern of its reason, or of what it is read as).
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from io import BytesIO

from tests.containers_made import TYPES, make_docx, make_mail, make_p7m, make_zip, paragraph

MAIL = b"From: a@example.com\r\nTo: b@example.com\r\nSubject: x\r\nDate: today\r\nMIME-Version: 1.0\r\n"


def _entry(name: bytes, packed: bytes, size: int, offset: int, crc: int) -> tuple[bytes, bytes]:
    """The local header with its data, and the line of the directory, of a deflated entry."""
    facts = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 0x21, crc, len(packed), size, len(name), 0)
    line = b"PK\1\2" + struct.pack("<H", 20) + facts + struct.pack("<HHHII", 0, 0, 0, 0, offset) + name
    return b"PK\3\4" + facts + name + packed, line


def _finished(body: bytes, lines: list[bytes]) -> bytes:
    directory = b"".join(lines)
    count = len(lines) & 0xFFFF
    return body + directory + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), len(body), 0)


def _deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def zip_of_zeros() -> bytes:
    return make_zip({"a.pdf": bytes(300_000_000)})


def zip_of_overlapping_entries() -> bytes:
    """Many lines of the directory, one body: 200 times 9 MB out of 9 kB."""
    data = bytes(9_000_000)
    body, _ = _entry(b"a.pdf", _deflated(data), len(data), 0, zlib.crc32(data))
    packed = _deflated(data)
    return _finished(body, [_entry(b"%05d" % n, packed, len(data), 0, zlib.crc32(data))[1] for n in range(100)])


def zip_that_lies_about_sizes() -> bytes:
    """It says 100 bytes, and has 100 MB."""
    packed = _deflated(bytes(100_000_000))
    body, line = _entry(b"a.pdf", packed, 100, 0, 0)
    return _finished(body, [line])


def zip_within_itself() -> bytes:
    """As near to the archive that contains itself as one that is written in one pass comes: 12 levels."""
    made = make_zip({"x.pdf": b"%PDF-"})
    for _ in range(12):
        made = make_zip({"again.zip": made})
    return made


def zip_of_zips_of_zips() -> bytes:
    """A hundred archives of a hundred archives of a hundred files."""
    made = make_zip({f"{n}.pdf": b"%PDF-" for n in range(100)})
    for _ in range(2):
        made = make_zip({f"{n}.zip": made for n in range(100)})
    return made


def zip_with_a_huge_directory() -> bytes:
    line = _entry(b"a", b"", 0, 0, 0)[1]
    return _finished(b"PK\3\4" + bytes(26), [line] * 300_000)


def zip_of_one_name() -> bytes:
    """A thousand entries whose names all come to the same."""
    body = BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for number in range(1000):
            archive.writestr(zipfile.ZipInfo("../" * (number % 50) + "\u202ea.pdf"), b"%PDF-")
    return body.getvalue()


def mail_of_many_parts() -> bytes:
    part = b'--b\r\nContent-Type: application/pdf; name="a.pdf"\r\n\r\n%PDF-\r\n'
    return MAIL + b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n' + part * 10_000 + b"--b--\r\n"


def mail_nested_deep(depth: int = 3_000) -> bytes:
    parts = [b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n) for n in range(depth)]
    return MAIL + b"".join(parts) + b"Content-Type: text/plain\r\n\r\nx\r\n"


def mail_in_mails() -> bytes:
    return MAIL + b"Content-Type: message/rfc822\r\n\r\n" + (MAIL + b"Content-Type: message/rfc822\r\n\r\n") * 2_000


def mail_of_one_header() -> bytes:
    return MAIL + b"X-Bomb: " + b"a" * 5_000_000 + b"\r\n" + b"X-Many: 1\r\n" * 200_000 + b"\r\nx\r\n"


def mail_with_odd_charsets() -> bytes:
    name = b"=?unicode_escape?q?=5Cx41?= =?no-such?b?!!!?= =?utf-7?q?+ADw-?="
    head = b'Content-Type: text/html; charset="zlib"\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\n'
    return (
        MAIL.replace(b"Subject: x", b"Subject: " + name)
        + head
        + b"<p>Some text of an invoice, and more, in no charset\r\n"
    )


def mail_with_odd_names() -> bytes:
    return make_mail(
        **{"../../../etc/passwd__pdf": b"%PDF-", "a\u202efdp__exe": b"%PDF-", "n" * 4_000 + "__pdf": b"%PDF-"}
    )


def html_of_divs() -> bytes:
    return b"<html><body>" + b"<div>" * 300_000 + b"Some text of an invoice, and more</body></html>"


def html_of_tables() -> bytes:
    return b"<html><body>" + b"<table><tr><td>" * 100_000 + b"x</body></html>"


def html_of_cells() -> bytes:
    return b"<html><body><table>" + b"<tr><td>1<td>2" * 150_000 + b"</table></body></html>"


def html_of_wide_cells() -> bytes:
    row = b"<tr>" + b"<td colspan=99999 rowspan=99999>a cell of it" * 200
    return b"<html><body><table>" + row * 3 + b"</table></body></html>"


def html_that_is_never_closed() -> bytes:
    return b"<html><body>Some text of an invoice, and more" + b"<!--" * 50_000 + b"<a" * 50_000 + b"<![" * 3


def html_that_refers() -> bytes:
    return (
        b"<!DOCTYPE html SYSTEM 'http://127.0.0.1:1/a.dtd'><html><head><base href='http://127.0.0.1:1/'>"
        b"<link rel=stylesheet href=a.css><script src=a.js></script><meta http-equiv=refresh content='0;url=file:///'>"
        b"</head><body><img src='file:///etc/passwd'><iframe src='http://127.0.0.1:1/'>root:x</iframe>"
        b"<p>Some text of an invoice, and more</body></html>"
    )


def docx_of_zeros() -> bytes:
    return make_docx("<w:p/>" * 10_000_000)


def docx_nested_deep() -> bytes:
    return make_docx("<w:sdt>" * 5_000 + "</w:sdt>" * 5_000)


def docx_with_entities() -> bytes:
    xml = b"<!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;'>]><w:document xmlns:w='x'><w:t>&b;</w:t></w:document>"
    return make_zip({"[Content_Types].xml": TYPES, "word/document.xml": xml})


def docx_that_is_empty() -> bytes:
    return make_zip({"[Content_Types].xml": TYPES, "word/documents.txt": b""})


def _xlsx(sheet: str, **more: bytes) -> bytes:
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    rel = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    types = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    files: Mapping[str, str] = {
        "[Content_Types].xml": "<Types xmlns='http://schemas.openxmlformats.org/package/2006/content-types'>"
        f"<Override PartName='/xl/workbook.xml' ContentType='{types}.sheet.main+xml'/>"
        f"<Override PartName='/xl/worksheets/sheet1.xml' ContentType='{types}.worksheet+xml'/></Types>",
        "_rels/.rels": "<Relationships xmlns='http://schemas.openxmlformats.org/package/2006/relationships'>"
        f"<Relationship Id='a' Type='{rel}/officeDocument' Target='xl/workbook.xml'/></Relationships>",
        "xl/workbook.xml": f"<workbook xmlns='{space}' xmlns:r='{rel}'><sheets><sheet name='a' sheetId='1' r:id='a'/>"
        "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": "<Relationships xmlns='http://schemas.openxmlformats.org/package/2006/"
        f"relationships'><Relationship Id='a' Type='{rel}/worksheet' Target='worksheets/sheet1.xml'/></Relationships>",
        "xl/worksheets/sheet1.xml": f"<worksheet xmlns='{space}'>{sheet}</worksheet>",
    }
    return make_zip({name: text.encode() for name, text in files.items()} | more)


def _cell(at: str, text: str) -> str:
    return f"<c r='{at}' t='inlineStr'><is><t>{text}</t></is></c>"


def xlsx_of_a_billion_cells() -> bytes:
    """It says so, and has one, in the last row."""
    row = f"<row r='1048576'>{_cell('A1048576', 'Some text of an invoice, and more')}</row>"
    return _xlsx(f"<dimension ref='A1:XFD1048576'/><sheetData>{row}</sheetData>")


def xlsx_of_wide_rows() -> bytes:
    """Each row has one cell, and that is the last there can be."""
    rows = "".join(f"<row r='{n}'>{_cell(f'XFD{n}', 'x')}</row>" for n in range(1, 20_000))
    return _xlsx(f"<sheetData>{rows}</sheetData>")


def xlsx_with_entities() -> bytes:
    made = _xlsx("<sheetData/>")
    bomb = "".join(f"<!ENTITY e{n} '{f'&e{n - 1};' * 10 if n else 'x' * 10}'>" for n in range(10))
    with zipfile.ZipFile(BytesIO(made)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    sheet = files["xl/worksheets/sheet1.xml"].replace(
        b"<sheetData/>", b"<sheetData><row><c><v>&e9;</v></c></row></sheetData>"
    )
    return make_zip(files | {"xl/worksheets/sheet1.xml": f"<!DOCTYPE x [{bomb}]>".encode() + sheet})


def xml_in(encoding: str, declared: str) -> bytes:
    text = (
        f"<?xml version='1.0' encoding='{declared}'?><!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><x>&e;</x>"
    )
    return text.encode(encoding)


def xml_of_namespaces() -> bytes:
    """Each element has a namespace of its own, and each is as long as is allowed."""
    return b"<x>" + b"".join(b"<a xmlns='%s%d'/>" % (b"n" * 990, n) for n in range(15_000)) + b"</x>"


def xml_of_attributes() -> bytes:
    return b"<x " + b" ".join(b"a%d='1'" % n for n in range(200_000)) + b"/>"


def pdf_of_loops() -> bytes:
    """Pages whose parent is their child, a form that draws itself, and a length that is its own."""
    return (
        b"%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R/Outlines 2 0 R>>endobj\n"
        b"2 0 obj<</Type/Pages/Kids[3 0 R 2 0 R]/Count 2/Parent 2 0 R>>endobj\n"
        b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R/Resources<</XObject<</F 5 0 R>>>>>>endobj\n"
        b"4 0 obj<</Length 4 0 R>>stream\n/F Do\nendstream endobj\n"
        b"5 0 obj<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</F 5 0 R>>>>/Length 5>>stream\n"
        b"/F Do\nendstream endobj\ntrailer<</Root 1 0 R/Prev 0>>\nstartxref\n0\n%%EOF"
    )


def p7m_nested_deep() -> bytes:
    return b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02" + b"\xa0\x80" * 500_000


def p7m_of_itself() -> bytes:
    made = make_p7m(b"%PDF-")
    for _ in range(5):
        made = make_p7m(made)
    return made


def ole_of_nothing() -> bytes:
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "__properties_version1.0".encode("utf-16-le") + b"\xff" * 4_000


HOSTILE: Mapping[str, tuple[Callable[[], bytes], str]] = {
    "zeros.zip": (zip_of_zeros, "times its size, more than the limit"),
    "overlapping.zip": (zip_of_overlapping_entries, "entries that overlap|times its size"),
    "within-itself.zip": (zip_within_itself, "1 document in it"),
    "zips-of-zips.zip": (zip_of_zips_of_zips, "more entries than the limit"),
    "huge-directory.zip": (zip_with_a_huge_directory, "more entries than the limit"),
    "cut-off.zip": (lambda: make_zip({"a.pdf": bytes(1000)})[:-30], "damaged"),
    "one-name.zip": (zip_of_one_name, "1,000 documents in it"),
    "many-parts.eml": (mail_of_many_parts, "the mail has 10,000 parts"),
    "deep.eml": (mail_nested_deep, "nested deeper|taken apart|more parts"),
    "mails.eml": (mail_in_mails, "document in it|taken apart|nested deeper"),
    "headers.eml": (mail_of_one_header, "1 document in it"),
    "charsets.eml": (mail_with_odd_charsets, "1 document in it"),
    "names.eml": (mail_with_odd_names, "3 documents in it"),
    "divs.html": (html_of_divs, "read: Some text of an invoice, and more"),
    "tables.html": (html_of_tables, "tables nested deeper than the 30 levels"),
    "cells.html": (html_of_cells, "more cells than the limit"),
    "wide-cells.html": (html_of_wide_cells, "read: a cell of it"),
    "unclosed.html": (html_that_is_never_closed, "read: Some text|longer than|damaged"),
    "refers.html": (html_that_refers, "read: Some text of an invoice, and more$"),
    "zeros.docx": (docx_of_zeros, "times its size|more than the limit"),
    "deep.docx": (docx_nested_deep, "nested deeper than the 100 levels"),
    "entities.docx": (docx_with_entities, "DOCTYPE"),
    "empty.docx": (docx_that_is_empty, "no document in it"),
    "no-text.docx": (lambda: make_docx(paragraph("")), "no text"),
    "billion-cells.xlsx": (xlsx_of_a_billion_cells, "read: Some text of an invoice, and more"),
    "wide-rows.xlsx": (xlsx_of_wide_rows, "more cells than the limit"),
    "entities.xlsx": (xlsx_with_entities, "damaged|no text"),
    "utf-16.xml": (lambda: b"\xff\xfe" + xml_in("utf-16-le", "utf-16"), "DOCTYPE"),
    "utf-16-no-mark.xml": (lambda: xml_in("utf-16-be", "utf-16"), "DOCTYPE"),
    "utf-7.xml": (lambda: b"<?xml version='1.0' encoding='utf-7'?>+ADwAIQ-DOCTYPE x+AD4-", "encoding 'utf-7'"),
    "utf-32.xml": (lambda: b"\xff\xfe\0\0" + xml_in("utf-32-le", "utf-32"), "DOCTYPE"),
    "namespaces.xml": (xml_of_namespaces, "not an e-invoice"),
    "attributes.xml": (xml_of_attributes, "not an e-invoice"),
    "loops.pdf": (pdf_of_loops, "neither text nor images|damaged|no text"),
    "deep.p7m": (p7m_nested_deep, "nested too deep"),
    "itself.p7m": (p7m_of_itself, "more than two signed envelopes"),
    "nothing.msg": (ole_of_nothing, "damaged|no document"),
}
