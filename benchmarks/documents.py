"""Generated one-page invoices, each different, that say what the scripted model answers about them."""

from __future__ import annotations

from pathlib import Path

from tests.pdfmaker import lines, make_pdf, table


def name(number: int) -> str:
    return f"invoice-{number:05}.pdf"


def invoice_pdf(number: int) -> bytes:
    """One page; its invoice number is its file name, as with `model_server.sample_invoice`."""
    head = lines(50, 60, ["Example Paper GmbH", "Musterstrasse 1, 10115 Berlin", "VAT id DE136695976"])
    facts = [
        ["Invoice number", name(number)],
        ["Invoice date", "2024-03-01"],
        ["Delivery date", "2024-02-28"],
        ["Due date", "2024-03-31"],
        ["Bill to", "Sample Office Ltd"],
    ]
    goods = [
        ["Pos", "Description", "Quantity", "Unit", "Unit price", "Amount"],
        ["1", "Paper, A4", "10", "box", "10.00", "100.00"],
    ]
    sums = [["Net total", "100.00"], ["VAT 19 %", "19.00"], ["Total EUR", "119.00"], ["Amount due EUR", "119.00"]]
    foot = lines(50, 760, ["Pay to IBAN DE89 3704 0044 0532 0130 00. All amounts in EUR."])
    page = [
        *head,
        *table(130, [50, 150], facts),
        *table(230, [50, 80, 300, 360, 420, 500], goods),
        *table(300, [360, 500], sums),
        *foot,
    ]
    return make_pdf([page])


def write_invoices(folder: Path, count: int) -> Path:
    """Fills a new folder with that many invoices."""
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / name(number)).write_bytes(invoice_pdf(number))
    return folder
