"""Invoices of many countries, each drawn here: what the offline reader must get out of them."""

from __future__ import annotations

from rules_reading import check, read


def test_american_software_invoice() -> None:
    """Month names, a dollar sign, and no tax anywhere."""
    invoice = read("""
        Invoice

        Invoice number   7F3A21C-0004
        Date of issue    March 3, 2024
        Date due         March 17, 2024

        Brightpixel Labs, Inc.                  Bill to
        548 Market Street                       Northwind Analytics
        San Francisco, CA 94104                 12 Harbour Road
        United States                           Dublin D02 X285
        billing@brightpixel.io                  ap@northwind.example

        $58.00 USD due March 17, 2024

        Description                        Qty      Unit price        Amount
        Team plan                            2          $24.00        $48.00
        Mar 3 - Apr 3, 2024
        Extra storage                        1          $10.00        $10.00

                                           Subtotal                   $58.00
                                           Total                      $58.00
                                           Amount due             $58.00 USD
    """)
    check(
        invoice,
        [("Team plan", "2", "24.00", "48.00"), ("Extra storage", "1", "10.00", "10.00")],
        invoice_number="7F3A21C-0004",
        issue_date="2024-03-03",
        due_date="2024-03-17",
        currency="USD",
        seller_name="Brightpixel Labs, Inc.",
        buyer_name="Northwind Analytics",
        net_total="58.00",
        tax_total=None,
        gross_total="58.00",
        amount_due="58.00",
    )


def test_american_trade_invoice_with_headings_over_values() -> None:
    """No currency is printed, and an American address tells that the month comes first."""
    invoice = read("""
        ACME SUPPLY CO.                                                            INVOICE
        500 Industrial Pkwy
        Dayton, OH 45402

        Invoice Date       Invoice Number        Customer PO        Terms
        06/07/2024         0098812               PO 4471            Net 30

        Sold To:                              Ship To:
        Riverside Hospital                    Riverside Hospital
        100 River Rd                          Dock 4
        Dayton, OH 45402                      Dayton, OH 45402

        Item #      Ordered     Description               Shipped      Price      Extension
        GL-100           10     Nitrile gloves, M              10       8.95          89.50
        GL-200            5     Nitrile gloves, L               5       9.10          45.50

                                                             Subtotal                135.00
                                                             Freight                  12.00
                                                             Sales Tax                 9.45
                                                             Invoice Total           156.45
    """)
    check(
        invoice,
        [("Nitrile gloves, M", "10", "8.95", "89.50"), ("Nitrile gloves, L", "5", "9.10", "45.50")],
        invoice_number="0098812",
        issue_date="2024-06-07",
        currency=None,
        seller_name="ACME SUPPLY CO.",
        buyer_name="Riverside Hospital",
        charge_total="12.00",
        net_total="147.00",
        tax_total="9.45",
        gross_total="156.45",
    )


def test_british_vat_invoice() -> None:
    """Day first, because of the pound; the VAT number is the seller's."""
    invoice = read("""
        VAT INVOICE                                                       Harrow & Finch Ltd
                                                                          Unit 4, Mill Lane
                                                                          Leeds LS1 4DT
                                                                          VAT Reg No: GB 123 4567 82

        Invoice To:                             Invoice No:               HF-20931
        Oakley Primary School                   Invoice Date / Tax Point:   05/04/2023
        Church Street                           Due Date:                 05/05/2023
        York YO1 7HH                            Your PO:                  88120

        Quantity    Details                          Unit Price    VAT Rate     Net Amount
        12          Exercise books, lined                  1.25         20%          15.00
        3           Whiteboard 120x90                     40.00         20%         120.00
        1           Children's atlas                      18.50          0%          18.50

                                                         Total Net                 £153.50
                                                         Total VAT                  £27.00
                                                         Invoice Total             £180.50
    """)
    check(
        invoice,
        [("Exercise", "12", "1.25", "15.00"), ("Whiteboard", "3", "40.00", "120.00"), ("Child", "1", "18.50", "18.50")],
        invoice_number="HF-20931",
        issue_date="2023-04-05",
        due_date="2023-05-05",
        currency="GBP",
        seller_name="Harrow & Finch Ltd",
        seller_tax_id="GB 123 4567 82",
        buyer_name="Oakley Primary School",
        purchase_order="88120",
        net_total="153.50",
        tax_total="27.00",
        gross_total="180.50",
    )


def test_indian_tax_invoice() -> None:
    """Lakhs, two GSTINs, and the tax in two halves of the same amount."""
    invoice = read("""
                                            TAX INVOICE
        Sagar Textiles Pvt. Ltd.                         Invoice No.           ST/23-24/118
        14 MG Road, Pune 411001                          Dated                 14-Aug-2023
        GSTIN: 27AAPFU0939F1ZV

        Buyer (Bill to)
        Meera Garments
        22 Ring Road, Nashik 422001
        GSTIN: 27AAACC1206D1ZM

        Sl No   Description of Goods        HSN/SAC      Quantity         Rate   per          Amount
        1       Cotton fabric               5208         1,200 mtr       95.00   mtr     1,14,000.00
        2       Linen fabric                5309           100 mtr      210.00   mtr       21,000.00

                                                         Taxable Value                   1,35,000.00
                                                         CGST 2.5%                          3,375.00
                                                         SGST 2.5%                          3,375.00
                                                         Total                       Rs. 1,41,750.00
    """)
    check(
        invoice,
        [("Cotton fabric", "1200", "95.00", "114000.00"), ("Linen fabric", "100", "210.00", "21000.00")],
        invoice_number="ST/23-24/118",
        issue_date="2023-08-14",
        currency="INR",
        seller_name="Sagar Textiles Pvt. Ltd.",
        seller_tax_id="27AAPFU0939F1ZV",
        buyer_name="Meera Garments",
        buyer_tax_id="27AAACC1206D1ZM",
        net_total="135000.00",
        tax_total="6750.00",
        gross_total="141750.00",
    )


def test_swiss_invoice() -> None:
    """Apostrophes for thousands, and a date after the town."""
    invoice = read("""
        Alpenblick Treuhand AG
        Bahnhofstrasse 12
        8001 Zürich
        CHE-123.456.788 MWST


                                                                Gemeinde Muster
                                                                Dorfplatz 1
                                                                3000 Bern

        Rechnung Nr. 2024-0815
        Zürich, 12. Februar 2024

        Bezeichnung                    Menge       Einheit      Ansatz CHF      Betrag CHF
        Jahresabschluss 2023            12.5       Std.             180.00        2'250.00
        Spesen pauschal                    1       Psch.             45.00           45.00

                                                   Zwischensumme                  2'295.00
                                                   MWST 8.1%                        185.90
                                                   Total CHF                      2'480.90

        Zahlbar bis 13. März 2024 auf IBAN CH93 0076 2011 6238 5295 7
    """)
    check(
        invoice,
        [("Jahresabschluss", "12.5", "180.00", "2250.00"), ("Spesen", "1", "45.00", "45.00")],
        invoice_number="2024-0815",
        issue_date="2024-02-12",
        due_date="2024-03-13",
        currency="CHF",
        seller_name="Alpenblick Treuhand AG",
        seller_tax_id="CHE-123.456.788",
        buyer_name="Gemeinde Muster",
        net_total="2295.00",
        tax_total="185.90",
        gross_total="2480.90",
        iban="CH93 0076 2011 6238 5295 7",
    )
