"""What is in an archive or a mail, under which names, and what of it is taken for a document."""

from __future__ import annotations

import zipfile
from email.message import EmailMessage
from typing import Any

import pytest
from tests.batch import invoice_pdf
from tests.containers_made import make_mail, make_zip

from counterfoil.containers import extract, parts_of, refuse_part, told
from counterfoil.containers_names import safe_name, unique_names
from counterfoil.document import Limits
from counterfoil.errors import InputError

PDF = invoice_pdf("P-1")
LIMITS = Limits()


def names(data: bytes, **limits: Any) -> list[str]:
    return [part.name for part in parts_of(data, Limits(**limits))]


def test_the_files_of_an_archive_are_documents_by_their_paths():
    """Folders are part of the name; companions, hidden files and what macOS adds are no documents."""
    made = {"2026/a.pdf": PDF, "b.xml": b"<a/>", "notes.txt": b"x", ".DS_Store": b"x", "__MACOSX/._a.pdf": b"x"}
    assert names(make_zip(made)) == ["2026/a.pdf", "b.xml"]


def test_a_part_comes_out_byte_for_byte_and_those_after_it_ahead():
    """Whoever asks for one gets as many as fit, from that one on."""
    archive = make_zip({f"{n}.pdf": bytes([n]) * 1000 for n in range(5)})
    assert extract(archive, "1.pdf", LIMITS, 2500) == {"1.pdf": b"\1" * 1000, "2.pdf": b"\2" * 1000}


def test_a_part_that_is_gone_is_said_to_be_gone():
    """The archive was changed since it was planned."""
    with pytest.raises(InputError, match="no longer in its archive"):
        extract(make_zip({"a.pdf": PDF}), "b.pdf", LIMITS, 0)


def test_archives_and_mails_within_each_other_are_opened():
    """The way to a part is its name."""
    inner = make_zip({"x.pdf": PDF})
    assert names(make_mail(all__zip=inner, b__pdf=PDF)) == ["all.zip/x.pdf", "b.pdf"]
    assert names(make_zip({"m.eml": make_mail(a__pdf=PDF)})) == ["m.eml/a.pdf"]
    assert extract(make_mail(all__zip=inner), "all.zip/x.pdf", LIMITS, 0) == {"all.zip/x.pdf": PDF}


def test_what_lies_too_deep_is_a_document_that_fails_by_itself():
    """It costs its neighbours nothing."""
    deep = make_zip({"x.pdf": PDF})
    for _ in range(4):
        deep = make_zip({"in.zip": deep, "beside.pdf": PDF})
    assert names(deep) == ["in.zip/in.zip/in.zip", "in.zip/in.zip/beside.pdf", "in.zip/beside.pdf", "beside.pdf"]
    with pytest.raises(InputError, match="opened 3 deep"):
        refuse_part(make_zip({"x.pdf": PDF}), LIMITS)


def test_entries_are_bounded_over_the_whole_tree():
    """An archive of archives is not a way around the limit."""
    inner = make_zip({f"{n}.pdf": b"%PDF-" for n in range(6)})
    with pytest.raises(InputError, match="more entries than the limit of 10"):
        names(make_zip({"a.zip": inner, "b.zip": inner}), max_entries=10)


def test_an_encrypted_archive_says_so():
    """As a whole where all of it is, else each entry by itself."""
    data = bytearray(make_zip({"a.pdf": PDF}, zipfile.ZIP_STORED))
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    with pytest.raises(InputError, match="the archive is encrypted; unpack it with its password"):
        names(bytes(data))
    assert names(make_zip({"locked.zip": bytes(data), "b.pdf": PDF})) == ["locked.zip", "b.pdf"]


def test_an_archive_without_a_document_is_a_failure():
    """Nothing that was handed in is passed over in silence."""
    with pytest.raises(InputError, match="no document"):
        names(make_zip({"a.txt": b"x"}))


def test_a_body_is_a_document_only_where_nothing_attached_is_one():
    """A covering letter is no invoice, a mail that is the invoice is one; what was attached and is not known fails."""
    html = "<html><body><table><tr><td>Total</td><td>119.00</td></tr></table></body></html>"
    assert names(make_mail(html=html)) == ["body.html"]
    assert names(make_mail(html=html, a__pdf=PDF)) == ["a.pdf"]
    assert names(make_mail(html=html, winmail__dat=b"\x78\x9f\x3e\x22")) == ["winmail.dat", "body.html"]
    plain = extract(make_mail("Total   119.00 <EUR>\n"), "body.html", LIMITS, 0)["body.html"]
    assert b"<pre>Total   119.00 &lt;EUR&gt;" in (plain if isinstance(plain, bytes) else b"")


def test_the_pictures_of_a_signature_are_no_documents():
    """A small one that the text shows is left out; one that it does not show, or as large as a page, is not."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"], mail["Date"] = "a@example.com", "b@example.com", "x", "today"
    mail.set_content("<p>see below</p><img src='cid:logo'>", subtype="html")
    for cid, size in (("logo", 3_000), ("scan", 3_000), ("logo", 300_000)):
        picture = b"\x89PNG\r\n\x1a\n".ljust(size, b"\0")
        mail.add_attachment(picture, maintype="image", subtype="png", cid=f"<{cid}>", filename=f"{cid}{size}.png")
    assert names(mail.as_bytes()) == ["scan3000.png", "logo300000.png"]


def test_a_forwarded_mail_is_opened_by_its_subject():
    """It has no file name of its own."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"], mail["Date"] = "a@example.com", "b@example.com", "Fwd", "today"
    inner = EmailMessage()
    inner["From"], inner["To"], inner["Subject"], inner["Date"] = "c@example.com", "a@example.com", "Bill 7/8", "now"
    inner.add_attachment(PDF, maintype="application", subtype="pdf", filename="bill.pdf")
    mail.set_content("see")
    mail.add_attachment(inner)
    assert names(mail.as_bytes()) == ["Bill 7-8.eml/bill.pdf"]


@pytest.mark.parametrize(
    ("raw", "safe"),
    [
        ("../../etc/passwd", "etc/passwd"),
        ("/abs/a.pdf", "abs/a.pdf"),
        ("C:\\temp\\a.pdf", "C_/temp/a.pdf"),
        ("a\0b\x1b[31m.pdf", "ab[31m.pdf"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("./././", "part"),
        ("", "part"),
        ("\ud800.pdf", ".pdf"),
        ("x" * 4000 + ".pdf", "x" * 116 + ".pdf"),
        ("e\u0301.pdf", "\u00e9.pdf"),
    ],
)
def test_a_name_leads_nowhere_and_hides_nothing(raw: str, safe: str):
    """Whatever the archive calls it."""
    assert safe_name(raw) == safe


def test_names_are_unique_and_none_is_the_folder_of_another():
    """Two parts never share a record, and a part's name leads to one part only."""
    raws = ["a.pdf", "x/../a.pdf", "a.pdf/b.pdf", "c/d.pdf", "c", "../a.pdf", "y" * 500, "y" * 600]
    found = unique_names(raws)
    assert found[:6] == ["a.pdf", "x/a.pdf", "a.pdf (2)/b.pdf", "c/d.pdf", "c (2)", "a (2).pdf"]
    assert len(set(found)) == len(raws)
    assert not any(other.startswith(f"{name}/") for name in found for other in found)


def test_a_long_list_of_parts_is_told_in_short():
    """The record of an archive stays small."""
    said = told(parts_of(make_zip({f"{n}.pdf": b"%PDF-" for n in range(500)}), LIMITS))
    assert said.startswith("500 documents in it")
    assert said.endswith("19.pdf and 480 more")


def test_each_invoice_of_a_fatturapa_file_is_a_document_of_its_own():
    """Named by its number, in archives too; a file with one invoice is that document itself."""
    bodies = [f"<FatturaElettronicaBody><N>{number}</N></FatturaElettronicaBody>" for number in ("7/A", "8/A")]
    space = "http://ivaservizi.agenziaentrate.gov.it/docs/xsd/fatture/v1.2"

    def file(*inner: str) -> bytes:
        return f'<p:FatturaElettronica xmlns:p="{space}">{"".join(inner)}</p:FatturaElettronica>'.encode()

    numbered = [
        body.replace("<N>", "<DatiGenerali><DatiGeneraliDocumento><Numero>").replace(
            "</N>", "</Numero></DatiGeneraliDocumento></DatiGenerali>"
        )
        for body in bodies
    ]
    assert names(file(*numbered)) == ["7-A.xml", "8-A.xml"]
    assert names(make_zip({"in/two.xml": file(*numbered), "one.xml": file(numbered[0])})) == [
        "in/two.xml/7-A.xml",
        "in/two.xml/8-A.xml",
        "one.xml",
    ]
    assert b"8/A" not in extract(file(*numbered), "7-A.xml", LIMITS, 0)["7-A.xml"]  # type: ignore[operator]
