"""Invoices of many countries and layouts, each made here: what the offline reader must get out of them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pdfmaker import Placed, lines, make_pdf, table

from counterfoil.document import Limits
from counterfoil.invoice import Invoice
from counterfoil.pdf import read_pdf
from counterfoil.rules import read_rules


def read(*pages: list[Placed]) -> Invoice:
    """The invoice that the offline reader sees on these pages."""
    return read_rules(read_pdf(make_pdf(pages), Limits()).pages)


def right(x: float, top: float, rows: list[tuple[str, str]], value_x: float, size: float = 10) -> list[Placed]:
    """Labels and values side by side, 16 points apart."""
    return table(top, (x, value_x), rows, size)


def saas() -> list[Placed]:
    return [
        (50, 60, 22, "Invoice"),
        *right(50, 90, [("Invoice number", "7F3A21C-0004"), ("Date of issue", "March 3, 2024"), ("Date due", "March 3, 2024")], 160),
        *lines(50, 150, ["Brightpixel Labs, Inc.", "548 Market Street", "San Francisco, California 94104", "United States", "billing@brightpixel.io"]),
        *lines(300, 150, ["Bill to", "Northwind Analytics", "12 Harbour Road", "Dublin D02 X285", "Ireland", "ap@northwind.example"]),
        (50, 250, 16, "$58.00 USD due March 3, 2024"),
        *table(290, (50, 330, 420, 500), [
            ("Description", "Qty", "Unit price", "Amount"),
            ("Team plan", "2", "$24.00", "$48.00"),
            ("Mar 3 - Apr 3, 2024", "", "", ""),
            ("Extra storage", "1", "$10.00", "$10.00"),
        ]),
        *table(370, (330, 500), [("Subtotal", "$58.00"), ("Total", "$58.00"), ("Amount due", "$58.00 USD")]),
    ]  # fmt: skip


def british() -> list[Placed]:
    return [
        *lines(380, 50, ["Harrow & Finch Ltd", "Unit 4, Mill Lane", "Leeds LS1 4DT", "Tel: 0113 496 0000", "VAT Reg No: GB 123 4567 82"], 9),
        (50, 60, 20, "VAT INVOICE"),
        *lines(50, 140, ["Invoice To:", "Oakley Primary School", "Church Street", "York YO1 7HH"], 10),
        *table(140, (300, 420), [("Invoice No:", "HF-20931"), ("Invoice Date / Tax Point:", "05/04/2023"), ("Due Date:", "05/05/2023"), ("Your PO:", "88120")], 9),
        *table(240, (50, 110, 330, 400, 480), [
            ("Quantity", "Details", "Unit Price", "VAT Rate", "Net Amount"),
            ("12", "Exercise books, lined", "1.25", "20%", "15.00"),
            ("3", "Whiteboard 120x90", "40.00", "20%", "120.00"),
            ("1", "Children's atlas", "18.50", "0%", "18.50"),
        ], 9),
        *table(330, (380, 480), [("Total Net", "£153.50"), ("Total VAT", "£27.00"), ("Invoice Total", "£180.50")], 10),
        (50, 760, 8, "Please pay by BACS within 30 days. Sort code 20-00-00 Account 12345678. Registered in England 01234567"),
    ]  # fmt: skip


def indian() -> list[Placed]:
    return [
        (220, 40, 14, "TAX INVOICE"),
        *lines(50, 70, ["Sagar Textiles Pvt. Ltd.", "14 MG Road, Pune 411001", "GSTIN: 27AAPFU0939F1ZV"], 10),
        *table(70, (330, 430), [("Invoice No.", "ST/23-24/118"), ("Dated", "14-Aug-2023"), ("Buyer's Order No.", "PO-77")], 10),
        *lines(50, 140, ["Buyer (Bill to)", "Meera Garments", "22 Ring Road, Surat 395002", "GSTIN: 24AAACC1206D1ZM"], 10),
        *table(220, (40, 70, 250, 310, 370, 430, 490), [
            ("Sl No", "Description of Goods", "HSN/SAC", "Quantity", "Rate", "per", "Amount"),
            ("1", "Cotton fabric", "5208", "1,200 mtr", "95.00", "mtr", "1,14,000.00"),
            ("2", "Linen fabric", "5309", "100 mtr", "210.00", "mtr", "21,000.00"),
        ], 9),
        *table(280, (310, 490), [("Taxable Value", "1,35,000.00"), ("IGST 5%", "6,750.00"), ("Total", "₹ 1,41,750.00".replace("₹", "INR"))], 10),
    ]  # fmt: skip


def swiss() -> list[Placed]:
    return [
        *lines(50, 50, ["Alpenblick Treuhand AG", "Bahnhofstrasse 12", "8001 Zürich", "CHE-123.456.788 MWST"], 9),
        *lines(340, 130, ["Gemeinde Muster", "Dorfplatz 1", "3000 Bern"], 10),
        (50, 210, 14, "Rechnung Nr. 2024-0815"),
        (50, 230, 10, "Zürich, 12. Februar 2024"),
        *table(260, (50, 300, 360, 430, 500), [
            ("Bezeichnung", "Menge", "Einheit", "Ansatz CHF", "Betrag CHF"),
            ("Jahresabschluss 2023", "12.5", "Std.", "180.00", "2'250.00"),
            ("Spesen pauschal", "1", "Psch.", "45.00", "45.00"),
        ], 9),
        *table(330, (360, 500), [("Zwischensumme", "2'295.00"), ("MWST 8.1%", "185.90"), ("Rundung", "0.00"), ("Total CHF", "2'480.90")], 10),
        (50, 420, 10, "Zahlbar bis 13. März 2024 auf IBAN CH93 0076 2011 6238 5295 7"),
    ]  # fmt: skip


def french() -> list[Placed]:
    return [
        (50, 50, 18, "Atelier Dubois SAS"),
        *lines(50, 70, ["18 rue des Lilas", "69003 Lyon", "SIRET 732 829 320 00074", "TVA intracommunautaire : FR44732829320"], 9),
        (350, 60, 14, "FACTURE N° F2024-117"),
        (350, 80, 10, "Date : 15/03/2024"),
        (350, 95, 10, "Échéance : 14/04/2024"),
        *lines(350, 130, ["Facturé à :", "Mairie de Villefranche", "Place de l'Hôtel de Ville", "69400 Villefranche"], 10),
        *table(230, (50, 300, 360, 430, 500), [
            ("Désignation", "Qté", "P.U. HT", "TVA", "Montant HT"),
            ("Menuiserie bois sur mesure", "4", "312,50", "20 %", "1 250,00"),
            ("Pose et finitions (forfait)", "1", "480,00", "10 %", "480,00"),
        ], 9),
        *table(310, (380, 500), [("Total HT", "1 730,00 €"), ("TVA 20 %", "250,00 €"), ("TVA 10 %", "48,00 €"), ("Total TTC", "2 028,00 €"), ("Acompte versé", "500,00 €"), ("Net à payer", "1 528,00 €")], 10),
        (50, 780, 8, "Atelier Dubois SAS - Capital 10 000 € - IBAN FR14 2004 1010 0505 0001 3M02 606"),
    ]  # fmt: skip


def dutch() -> list[Placed]:
    return [
        (400, 50, 16, "De Groene Tuin B.V."),
        *lines(400, 70, ["Kerkstraat 5", "3511 AB Utrecht", "KvK 12345678", "BTW-nr. NL820646660B01", "IBAN NL91 ABNA 0417 1643 00"], 9),
        *lines(50, 140, ["Gemeente Zeist", "t.a.v. Mevr. Jansen", "Het Rond 1", "3701 HS Zeist"], 10),
        (50, 220, 16, "Factuur"),
        *table(240, (50, 150), [("Factuurnummer", "24-0043"), ("Factuurdatum", "02-05-2024"), ("Vervaldatum", "01-06-2024")], 10),
        *table(310, (50, 320, 390, 480), [
            ("Omschrijving", "Aantal", "Tarief", "Bedrag"),
            ("Onderhoud plantsoen april", "16", "€ 55,00", "€ 880,00"),
            ("Levering bollen", "250", "€ 0,48", "€ 120,00"),
        ], 9),
        *table(380, (390, 480), [("Totaal excl. btw", "€ 1.000,00"), ("21% btw", "€ 210,00"), ("Totaal incl. btw", "€ 1.210,00")], 10),
    ]  # fmt: skip


def italian() -> list[Placed]:
    return [
        *lines(50, 50, ["Officina Rossi S.r.l.", "Via Garibaldi 8 - 20121 Milano (MI)", "P.IVA 00743110157", "Tel. 02 1234567"], 9),
        *lines(330, 110, ["Spett.le", "Trattoria da Gino S.n.c.", "Corso Italia 21", "10121 Torino (TO)", "P.IVA 07643520567"], 10),
        (50, 200, 12, "FATTURA n. 57/2024 del 09/02/2024"),
        *table(230, (50, 290, 350, 420, 500), [
            ("Descrizione", "Q.tà", "Prezzo", "IVA %", "Importo"),
            ("Revisione cella frigo", "1", "350,00", "22", "350,00"),
            ("Guarnizioni", "6", "12,50", "22", "75,00"),
        ], 9),
        *table(320, (50, 200, 350), [("Imponibile", "IVA", "Totale fattura"), ("425,00", "93,50", "518,50 €")], 10),
        (50, 380, 10, "Scadenza: 10/03/2024   IBAN: IT60 X054 2811 1010 0000 0123 456"),
    ]  # fmt: skip


def spanish() -> list[Placed]:
    return [
        (50, 50, 16, "Hostal Miramar, S.L."),
        *lines(50, 68, ["CIF: B58378431", "Calle Mayor 3", "08001 Barcelona"], 9),
        *table(50, (350, 450), [("Nº Factura:", "2024/0311"), ("Fecha:", "21/06/2024")], 10),
        *lines(350, 100, ["Cliente:", "Viajes Costa Azul, S.A.", "Avda. del Puerto 44", "46021 Valencia", "NIF: A58818501"], 10),
        *table(200, (50, 300, 370, 470), [
            ("Concepto", "Cantidad", "Precio", "Importe"),
            ("Habitación doble, 18-21 junio", "3", "85,00", "255,00"),
            ("Desayuno", "6", "9,00", "54,00"),
        ], 9),
        *table(280, (370, 470), [("Base imponible", "309,00"), ("IVA 10%", "30,90"), ("Total factura", "339,90 EUR")], 10),
    ]  # fmt: skip


def german_utility() -> list[Placed]:
    return [
        *lines(50, 60, ["Stadtwerke Beispiel GmbH · Werkstraße 1 · 50667 Köln"], 7),
        *lines(50, 80, ["Frau", "Erika Mustermann", "Heidestraße 17", "51147 Köln"], 10),
        *table(80, (340, 450), [("Rechnungsnummer:", "VK-4711-2023"), ("Rechnungsdatum:", "15.01.2024"), ("Kundennummer:", "900123")], 9),
        (50, 200, 14, "Ihre Jahresrechnung Strom"),
        *table(230, (50, 250, 350, 450), [
            ("Leistung", "Menge", "Preis", "Betrag"),
            ("Arbeitspreis", "2.450 kWh", "0,3200 €", "784,00 €"),
            ("Grundpreis", "12 Mon.", "10,00 €", "120,00 €"),
        ], 9),
        *table(300, (50, 450), [
            ("Nettobetrag", "904,00 €"),
            ("zzgl. 19 % Umsatzsteuer", "171,76 €"),
            ("Bruttobetrag", "1.075,76 €"),
            ("abzüglich geleistete Abschlagszahlungen", "1.000,00 €"),
            ("Noch zu zahlen", "75,76 €"),
        ], 10),
        (50, 390, 10, "Bitte überweisen Sie den Betrag bis zum 05.02.2024."),
        *table(770, (50, 230, 400), [
            ("Stadtwerke Beispiel GmbH", "Sparkasse KölnBonn", "Amtsgericht Köln HRB 1234"),
            ("www.stadtwerke-beispiel.de", "IBAN DE89 3704 0044 0532 0130 00", "USt-IdNr. DE136695976"),
        ], 8),
    ]  # fmt: skip


def american() -> list[Placed]:
    return [
        (50, 60, 18, "Prairie Plumbing LLC"),
        *lines(50, 80, ["901 Main St", "Omaha, NE 68102", "(402) 555-0134"], 10),
        *table(60, (400, 480), [("INVOICE #", "10452"), ("DATE", "4/9/2024"), ("TERMS", "Net 15"), ("DUE", "4/24/2024")], 10),
        *lines(50, 150, ["BILL TO", "Greg Sanders", "77 Elm Ave", "Lincoln, NE 68508"], 10),
        *table(230, (50, 130, 330, 400, 480), [
            ("DATE", "ACTIVITY", "QTY", "RATE", "AMOUNT"),
            ("4/8/2024", "Labor", "3.5", "95.00", "332.50"),
            ("4/8/2024", "Copper pipe, 1/2 in", "20", "4.10", "82.00"),
        ], 9),
        *table(300, (330, 480), [("SUBTOTAL", "414.50"), ("TAX (7%)", "5.74"), ("TOTAL", "420.24"), ("BALANCE DUE", "$420.24")], 10),
    ]  # fmt: skip


CASES: list[tuple[Any, dict[str, Any], list[tuple[str, str, str | None, str]]]] = [
    (saas, {
        "invoice_number": "7F3A21C-0004", "issue_date": date(2024, 3, 3), "due_date": date(2024, 3, 3), "currency": "USD",
        "seller_name": "Brightpixel Labs, Inc.", "buyer_name": "Northwind Analytics", "net_total": "58.00", "gross_total": "58.00", "amount_due": "58.00", "tax_total": None,
    }, [("Team plan", "2", "24.00", "48.00"), ("Extra storage", "1", "10.00", "10.00")]),
    (british, {
        "invoice_number": "HF-20931", "issue_date": date(2023, 4, 5), "due_date": date(2023, 5, 5), "currency": "GBP",
        "seller_name": "Harrow & Finch Ltd", "seller_tax_id": "GB 123 4567 82", "buyer_name": "Oakley Primary School", "purchase_order": "88120",
        "net_total": "153.50", "tax_total": "27.00", "gross_total": "180.50",
    }, [("Exercise books", "12", "1.25", "15.00"), ("Whiteboard", "3", "40.00", "120.00"), ("atlas", "1", "18.50", "18.50")]),
    (indian, {
        "invoice_number": "ST/23-24/118", "issue_date": date(2023, 8, 14), "currency": "INR", "seller_name": "Sagar Textiles Pvt. Ltd.",
        "seller_tax_id": "27AAPFU0939F1ZV", "buyer_name": "Meera Garments", "buyer_tax_id": "24AAACC1206D1ZM",
        "net_total": "135000.00", "tax_total": "6750.00", "gross_total": "141750.00",
    }, [("Cotton fabric", "1200", "95.00", "114000.00"), ("Linen fabric", "100", "210.00", "21000.00")]),
    (swiss, {
        "invoice_number": "2024-0815", "issue_date": date(2024, 2, 12), "due_date": date(2024, 3, 13), "currency": "CHF",
        "seller_name": "Alpenblick Treuhand AG", "seller_tax_id": "CHE-123.456.788", "buyer_name": "Gemeinde Muster",
        "net_total": "2295.00", "tax_total": "185.90", "gross_total": "2480.90", "iban": "CH93 0076 2011 6238 5295 7",
    }, [("Jahresabschluss", "12.5", "180.00", "2250.00"), ("Spesen", "1", "45.00", "45.00")]),
    (french, {
        "invoice_number": "F2024-117", "issue_date": date(2024, 3, 15), "due_date": date(2024, 4, 14), "currency": "EUR",
        "seller_name": "Atelier Dubois SAS", "seller_tax_id": "FR44732829320", "buyer_name": "Mairie de Villefranche",
        "net_total": "1730.00", "tax_total": "298.00", "gross_total": "2028.00", "amount_due": "1528.00", "prepaid": "500.00",
        "iban": "FR14 2004 1010 0505 0001 3M02 606",
    }, [("Menuiserie", "4", "312.50", "1250.00"), ("Pose", "1", "480.00", "480.00")]),
    (dutch, {
        "invoice_number": "24-0043", "issue_date": date(2024, 5, 2), "due_date": date(2024, 6, 1), "currency": "EUR",
        "seller_name": "De Groene Tuin B.V.", "seller_tax_id": "NL820646660B01", "buyer_name": "Gemeente Zeist",
        "net_total": "1000.00", "tax_total": "210.00", "gross_total": "1210.00", "iban": "NL91 ABNA 0417 1643 00",
    }, [("Onderhoud", "16", "55.00", "880.00"), ("Levering", "250", "0.48", "120.00")]),
    (italian, {
        "invoice_number": "57/2024", "issue_date": date(2024, 2, 9), "due_date": date(2024, 3, 10), "currency": "EUR",
        "seller_name": "Officina Rossi S.r.l.", "seller_tax_id": "00743110157", "buyer_name": "Trattoria da Gino S.n.c.", "buyer_tax_id": "07643520567",
        "net_total": "425.00", "tax_total": "93.50", "gross_total": "518.50", "iban": "IT60 X054 2811 1010 0000 0123 456",
    }, [("Revisione", "1", "350.00", "350.00"), ("Guarnizioni", "6", "12.50", "75.00")]),
    (spanish, {
        "invoice_number": "2024/0311", "issue_date": date(2024, 6, 21), "currency": "EUR", "seller_name": "Hostal Miramar, S.L.",
        "seller_tax_id": "B58378431", "buyer_name": "Viajes Costa Azul, S.A.", "buyer_tax_id": "A58818501",
        "net_total": "309.00", "tax_total": "30.90", "gross_total": "339.90",
    }, [("Habitación", "3", "85.00", "255.00"), ("Desayuno", "6", "9.00", "54.00")]),
    (german_utility, {
        "invoice_number": "VK-4711-2023", "issue_date": date(2024, 1, 15), "due_date": date(2024, 2, 5), "currency": "EUR",
        "seller_name": "Stadtwerke Beispiel GmbH", "seller_tax_id": "DE136695976", "buyer_name": "Erika Mustermann",
        "net_total": "904.00", "tax_total": "171.76", "gross_total": "1075.76", "amount_due": "75.76", "iban": "DE89 3704 0044 0532 0130 00",
    }, [("Arbeitspreis", "2450", "0.3200", "784.00"), ("Grundpreis", "12", "10.00", "120.00")]),
    (american, {
        "invoice_number": "10452", "issue_date": date(2024, 4, 9), "due_date": date(2024, 4, 24), "currency": "USD",
        "seller_name": "Prairie Plumbing LLC", "buyer_name": "Greg Sanders", "net_total": "414.50", "tax_total": "5.74", "gross_total": "420.24", "amount_due": "420.24",
    }, [("Labor", "3.5", "95.00", "332.50"), ("Copper pipe", "20", "4.10", "82.00")]),
]  # fmt: skip


def _plain(value: Any) -> Any:
    return format(value, "f") if isinstance(value, Decimal) else value


@pytest.mark.parametrize(("layout", "fields", "items"), CASES, ids=[case[0].__name__ for case in CASES])
def test_an_invoice_is_read_in_the_way_of_its_country(
    layout: Any, fields: dict[str, Any], items: list[tuple[str, str, str | None, str]]
) -> None:
    """Header, parties, totals and lines, each as printed."""
    invoice = read(layout())
    assert {name: _plain(getattr(invoice, name)) for name in fields} == fields
    assert [
        (_plain(item.quantity), _plain(item.unit_price), _plain(item.net_amount)) for item in invoice.line_items
    ] == [item[1:] for item in items]
    for item, (word, *_) in zip(invoice.line_items, items, strict=True):
        assert word in (item.description or "")
