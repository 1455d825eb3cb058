"""Archives, mails, Office files and signed envelopes, made in a test: nothing of them is kept as a binary."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from email.message import EmailMessage
from io import BytesIO

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
TYPES = b"<Types xmlns='http://schemas.openxmlformats.org/package/2006/content-types'/>"


def make_zip(entries: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive of these files, in this order."""
    body = BytesIO()
    with zipfile.ZipFile(body, "w", method) as archive:
        for name, data in entries.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return body.getvalue()


def make_mail(text: str = "Please find it attached.", html: str = "", **attached: bytes) -> bytes:
    """A mail; the names of what is attached have `__` for their dot."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "seller@example.com", "buyer@example.com", "Your invoice"
    mail["Date"] = "Mon, 05 Jan 2026 10:00:00 +0000"
    mail.set_content(text)
    if html:
        mail.add_alternative(html, subtype="html")
    for name, data in attached.items():
        mail.add_attachment(data, maintype="application", subtype="octet-stream", filename=name.replace("__", "."))
    return mail.as_bytes()


def make_docx(body: str, **parts: str) -> bytes:
    """A Word file whose body is this WordprocessingML (`w:` is bound); `parts` are further files of word/."""
    document = f"<w:document xmlns:w='{WORD}'><w:body>{body}</w:body></w:document>"
    more = {f"word/{name}.xml": f"<w:hdr xmlns:w='{WORD}'>{text}</w:hdr>".encode() for name, text in parts.items()}
    return make_zip({"[Content_Types].xml": TYPES, "word/document.xml": document.encode(), **more})


def paragraph(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def table(*rows: tuple[str, ...]) -> str:
    cells = ("".join(f"<w:tc>{paragraph(cell)}</w:tc>" for cell in row) for row in rows)
    return f"<w:tbl>{''.join(f'<w:tr>{row}</w:tr>' for row in cells)}</w:tbl>"


def _der(tag: int, content: bytes, *, indefinite: bool = False) -> bytes:
    if indefinite:
        return bytes([tag, 0x80]) + content + b"\0\0"
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def make_p7m(content: bytes, *, indefinite: bool = False, chunk: int = 0) -> bytes:
    """A CMS signed-data envelope around `content`, with no signer; in BER pieces of `chunk` bytes if that is given."""
    octets = _der(0x04, content)
    if chunk:
        pieces = b"".join(_der(0x04, content[at : at + chunk]) for at in range(0, len(content), chunk))
        octets = _der(0x24, pieces, indefinite=indefinite)
    data_oid, signed_oid = bytes.fromhex("06092a864886f70d010701"), bytes.fromhex("06092a864886f70d010702")
    inner = _der(0x30, data_oid + _der(0xA0, octets, indefinite=indefinite), indefinite=indefinite)
    signed = _der(0x30, b"\x02\x01\x01" + _der(0x31, b"") + inner + _der(0x31, b""), indefinite=indefinite)
    return _der(0x30, signed_oid + _der(0xA0, signed, indefinite=indefinite), indefinite=indefinite)
