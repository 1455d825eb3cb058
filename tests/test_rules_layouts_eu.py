"""Invoices of the euro's countries, each drawn here: what the offline reader must get out of them."""

from __future__ import annotations

from rules_reading import check, read


def test_german_utility_bill_with_payments_on_account() -> None:
    """What is left to pay differs from the total; the sender's line over the address is not the buyer."""
    invoice = read("""
        Stadtwerke Beispiel GmbH · Werkstraße 1 · 50667 Köln        Rechnungsnummer:     VK-4711-2023
        Frau                                                        Rechnungsdatum:      15.01.2024
        Erika Mustermann                                            Kundennummer:        900123
        Heidestraße 17
        51147 Köln

        Ihre Jahresrechnung Strom

        Leistung                 Menge              Preis              Betrag
        Arbeitspreis             2.450 kWh          0,3200 €           784,00 €
        Grundpreis               12 Mon.            10,00 €            120,00 €

        Nettobetrag                                                    904,00 €
        zzgl. 19 % Umsatzsteuer                                        171,76 €
        Bruttobetrag                                                 1.075,76 €
        abzüglich geleistete Abschlagszahlungen                      1.000,00 €
        Noch zu zahlen                                                  75,76 €

        Bitte überweisen Sie den Betrag bis zum 05.02.2024.

        Stadtwerke Beispiel GmbH     Sparkasse KölnBonn                     Amtsgericht Köln HRB 1234
        www.stadtwerke-beispiel.de   IBAN DE89 3704 0044 0532 0130 00       USt-IdNr. DE136695976
    """)
    check(
        invoice,
        [("Arbeitspreis", "2450", "0.3200", "784.00"), ("Grundpreis", "12", "10.00", "120.00")],
        invoice_number="VK-4711-2023",
        issue_date="2024-01-15",
        due_date="2024-02-05",
        currency="EUR",
        seller_name="Stadtwerke Beispiel GmbH",
        seller_tax_id="DE136695976",
        buyer_name="Erika Mustermann",
        net_total="904.00",
        tax_total="171.76",
        gross_total="1075.76",
        amount_due="75.76",
        iban="DE89 3704 0044 0532 0130 00",
    )


def test_german_craftsman_with_everything_in_one_line() -> None:
    """Number, date and all three totals share their lines."""
    invoice = read("""
        Nordlicht Design GmbH, Hafenstr. 9, 20457 Hamburg, info@nordlicht-design.de


        Kunstverein Kiel e.V.
        Holstenstr. 1
        24103 Kiel

        Rechnung Nr.: 2024/07 Datum: 01.02.2024 Kundennr.: 1009

        Pos   Bezeichnung               Menge     Einzelpreis     Gesamtpreis
        1     Plakatentwurf             1              450,00          450,00
        2     Korrekturlauf             2,5             60,00          150,00

        Nettobetrag: 600,00 EUR   MwSt. 19%: 114,00 EUR   Gesamtbetrag: 714,00 EUR
    """)
    check(
        invoice,
        [("Plakatentwurf", "1", "450.00", "450.00"), ("Korrekturlauf", "2.5", "60.00", "150.00")],
        invoice_number="2024/07",
        issue_date="2024-02-01",
        seller_name="Nordlicht Design GmbH",
        buyer_name="Kunstverein Kiel e.V.",
        net_total="600.00",
        tax_total="114.00",
        gross_total="714.00",
    )


def test_french_invoice_with_a_payment_on_account() -> None:
    """Two rates, thousands parted by a space, and an account in a small line at the foot."""
    invoice = read("""
        Atelier Dubois SAS                                          FACTURE N° F2024-117
        18 rue des Lilas                                            Date : 15/03/2024
        69003 Lyon                                                  Échéance : 14/04/2024
        TVA intracommunautaire : FR44732829320
                                                                    Facturé à :
                                                                    Mairie de Villefranche
                                                                    Place de l'Hôtel de Ville
                                                                    69400 Villefranche

        Désignation                           Qté      P.U. HT      TVA      Montant HT
        Menuiserie bois sur mesure              4       312,50     20 %        1 250,00
        Pose et finitions (forfait)             1       480,00     10 %          480,00

                                                        Total HT             1 730,00 €
                                                        TVA 20 %               250,00 €
                                                        TVA 10 %                48,00 €
                                                        Total TTC            2 028,00 €
                                                        Acompte versé          500,00 €
                                                        Net à payer          1 528,00 €

        Atelier Dubois SAS - Capital 10 000 € - IBAN FR14 2004 1010 0505 0001 3M02 606
    """)
    check(
        invoice,
        [("Menuiserie", "4", "312.50", "1250.00"), ("Pose", "1", "480.00", "480.00")],
        invoice_number="F2024-117",
        issue_date="2024-03-15",
        due_date="2024-04-14",
        currency="EUR",
        seller_name="Atelier Dubois SAS",
        seller_tax_id="FR44732829320",
        buyer_name="Mairie de Villefranche",
        net_total="1730.00",
        tax_total="298.00",
        gross_total="2028.00",
        prepaid="500.00",
        amount_due="1528.00",
        iban="FR14 2004 1010 0505 0001 3M02 606",
    )


def test_dutch_invoice() -> None:
    """The letterhead stands on the right, the addressee has no label."""
    invoice = read("""
                                                                    De Groene Tuin B.V.
                                                                    Kerkstraat 5
                                                                    3511 AB Utrecht
                                                                    BTW-nr. NL820646660B01
                                                                    IBAN NL91 ABNA 0417 1643 00


        Gemeente Zeist
        t.a.v. Mevr. Jansen
        Het Rond 1
        3701 HS Zeist

        Factuur
        Factuurnummer     24-0043
        Factuurdatum      02-05-2024
        Vervaldatum       01-06-2024

        Omschrijving                             Aantal        Tarief          Bedrag
        Onderhoud plantsoen april                    16       € 55,00        € 880,00
        Levering bollen                             250        € 0,48        € 120,00

                                                 Totaal excl. btw          € 1.000,00
                                                 21% btw                     € 210,00
                                                 Totaal incl. btw          € 1.210,00
    """)
    check(
        invoice,
        [("Onderhoud", "16", "55.00", "880.00"), ("Levering", "250", "0.48", "120.00")],
        invoice_number="24-0043",
        issue_date="2024-05-02",
        due_date="2024-06-01",
        currency="EUR",
        seller_name="De Groene Tuin B.V.",
        seller_tax_id="NL820646660B01",
        buyer_name="Gemeente Zeist",
        net_total="1000.00",
        tax_total="210.00",
        gross_total="1210.00",
        iban="NL91 ABNA 0417 1643 00",
    )


def test_italian_invoice_with_totals_in_a_row() -> None:
    """The three totals have their labels above them."""
    invoice = read("""
        Officina Rossi S.r.l.
        Via Garibaldi 8 - 20121 Milano (MI)
        P.IVA 00743110157

                                                          Spett.le
                                                          Trattoria da Gino S.n.c.
                                                          Corso Italia 21
                                                          10121 Torino (TO)
                                                          P.IVA 07643520567

        FATTURA n. 57/2024 del 09/02/2024

        Descrizione                    Q.tà      Prezzo      IVA %         Importo
        Revisione cella frigo             1      350,00         22          350,00
        Guarnizioni                       6       12,50         22           75,00

        Imponibile                IVA                Totale fattura
        425,00                    93,50              518,50 €

        Scadenza: 10/03/2024   IBAN: IT60 X054 2811 1010 0000 0123 456
    """)
    check(
        invoice,
        [("Revisione", "1", "350.00", "350.00"), ("Guarnizioni", "6", "12.50", "75.00")],
        invoice_number="57/2024",
        issue_date="2024-02-09",
        due_date="2024-03-10",
        currency="EUR",
        seller_name="Officina Rossi S.r.l.",
        seller_tax_id="00743110157",
        buyer_name="Trattoria da Gino S.n.c.",
        buyer_tax_id="07643520567",
        net_total="425.00",
        tax_total="93.50",
        gross_total="518.50",
        iban="IT60 X054 2811 1010 0000 0123 456",
    )


def test_spanish_invoice_from_which_income_tax_is_withheld() -> None:
    """1,000 + 210 is not the printed total of 1,060, which is what is paid out: no gross total is taken."""
    invoice = read("""
        María López Traducciones                         Facturar a:
        NIF 12345678Z                                    Editorial Norte S.A.
        Calle Sol 4, 28013 Madrid                        CIF A58818501
                                                         28013 Madrid

        Factura nº           24-003
        Fecha de emisión     5 de marzo de 2024

        Descripción                      Uds.     Precio unitario           Total
        Traducción libro                    1            1.000,00        1.000,00

                                         Base imponible                  1.000,00
                                         IVA (21%)                         210,00
                                         IRPF (-15%)                      -150,00
                                         Total                         1.060,00 €
    """)
    check(
        invoice,
        [("Traducción", "1", "1000.00", "1000.00")],
        invoice_number="24-003",
        issue_date="2024-03-05",
        seller_name="María López Traducciones",
        seller_tax_id="12345678Z",
        buyer_name="Editorial Norte S.A.",
        buyer_tax_id="A58818501",
        net_total="1000.00",
        tax_total="210.00",
        gross_total=None,
    )


def test_austrian_hotel_folio_whose_totals_are_in_the_tax_breakdown() -> None:
    """Charges and a payment in two columns; net and tax only in the rows of the rates."""
    invoice = read("""
                                 Grand Hotel Wien
                                 Ringstrasse 4, 1010 Wien, Austria
                                 UID ATU12345675

        Mr. John Carter                                  Invoice No.         88123
        Carter & Sons Inc.                               Arrival             03.05.2024
        22 Lake Drive                                    Departure           05.05.2024
        Chicago, IL 60601                                Invoice date        05.05.2024

        Date            Description                     Charges EUR      Credits EUR
        03.05.2024      Accommodation                        180.00
        03.05.2024      City tax                               3.20
        04.05.2024      Accommodation                        180.00
        05.05.2024      Visa card                                             363.20

                                                         Total                363.20
                                                         Balance                0.00

        VAT       Net          VAT amount     Gross
        10%       330.18       33.02          363.20
    """)
    check(
        invoice,
        [
            ("Accommodation", None, None, "180.00"),
            ("City tax", None, None, "3.20"),
            ("Accommodation", None, None, "180.00"),
        ],
        invoice_number="88123",
        issue_date="2024-05-05",
        seller_name="Grand Hotel Wien",
        buyer_name="Carter & Sons Inc.",
        net_total="330.18",
        tax_total="33.02",
        gross_total="363.20",
        amount_due="0.00",
    )
