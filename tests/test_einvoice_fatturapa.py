"""What each field of an invoice is in FatturaPA 1.2."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from counterfoil.document import Limits
from counterfoil.einvoice import parse_einvoice
from counterfoil.einvoice_fatturapa_split import split_fatturapa
from counterfoil.errors import InputError
from counterfoil.invoice import AllowanceCharge, Invoice, LineItem, TaxLine
from counterfoil.invoice_details import Withholding
from plain import plain

HEADER = """
<FatturaElettronicaHeader>
<DatiTrasmissione><FormatoTrasmissione>FPR12</FormatoTrasmissione></DatiTrasmissione>
<CedentePrestatore><DatiAnagrafici><IdFiscaleIVA><IdPaese>IT</IdPaese><IdCodice>01234567890</IdCodice></IdFiscaleIVA>
  <CodiceFiscale>XYZ</CodiceFiscale><Anagrafica><Nome>Anna</Nome><Cognome>Rossi</Cognome></Anagrafica></DatiAnagrafici></CedentePrestatore>
<CessionarioCommittente><DatiAnagrafici><CodiceFiscale>09876543210</CodiceFiscale>
  <Anagrafica><Denominazione>Ditta Beta</Denominazione></Anagrafica></DatiAnagrafici></CessionarioCommittente>
</FatturaElettronicaHeader>
"""
GENERAL = "<TipoDocumento>TD01</TipoDocumento><Divisa>EUR</Divisa><Data>2024-03-01</Data><Numero>7/A</Numero>"
GOODS = """
<DettaglioLinee><NumeroLinea>1</NumeroLinea><Descrizione>Consulenza</Descrizione><Quantita>5.00</Quantita>
  <UnitaMisura>ore</UnitaMisura><PrezzoUnitario>20.00</PrezzoUnitario><PrezzoTotale>100.00</PrezzoTotale>
  <AliquotaIVA>22.00</AliquotaIVA></DettaglioLinee>
<DatiRiepilogo><AliquotaIVA>22.00</AliquotaIVA><ImponibileImporto>104.00</ImponibileImporto><Imposta>22.88</Imposta>
  </DatiRiepilogo>
<DatiRiepilogo><AliquotaIVA>0.00</AliquotaIVA><Natura>N1</Natura><ImponibileImporto>2.00</ImponibileImporto>
  <Imposta>0.00</Imposta></DatiRiepilogo>
"""


def pay(amount: str, day: str = "2024-03-31", more: str = "") -> str:
    due = f"<DataScadenzaPagamento>{day}</DataScadenzaPagamento><ImportoPagamento>{amount}</ImportoPagamento>"
    return f"<DatiPagamento><DettaglioPagamento>{due}{more}</DettaglioPagamento></DatiPagamento>"


def body(general: str = "", goods: str = GOODS, payment: str = "") -> str:
    document = f"<DatiGenerali><DatiGeneraliDocumento>{GENERAL}{general}</DatiGeneraliDocumento></DatiGenerali>"
    services = f"<DatiBeniServizi>{goods}</DatiBeniServizi>"
    return f"<FatturaElettronicaBody>{document}{services}{payment}</FatturaElettronicaBody>"


def xml(*bodies: str) -> bytes:
    space = "http://ivaservizi.agenziaentrate.gov.it/docs/xsd/fatture/v1.2"
    inner = HEADER + "".join(bodies)
    return f'<p:FatturaElettronica versione="FPR12" xmlns:p="{space}">{inner}</p:FatturaElettronica>'.encode()


def read(general: str = "", goods: str = GOODS, payment: str = "") -> Invoice:
    return parse_einvoice(xml(body(general, goods, payment)), Limits())[0]


def test_every_field_is_read_from_its_place() -> None:
    """Net and tax are the sums of the tax breakdown: FatturaPA defines them so and states no other."""
    fund = "<DatiCassaPrevidenziale><TipoCassa>TC22</TipoCassa><ImportoContributoCassa>4.00</ImportoContributoCassa><AliquotaIVA>22.00</AliquotaIVA></DatiCassaPrevidenziale>"  # noqa: E501
    general = f"{fund}<ImportoTotaleDocumento>128.88</ImportoTotaleDocumento>"
    more = "<IBAN>IT60X0542811101000000123456</IBAN><CodicePagamento>C-1</CodicePagamento>"
    invoice, profile = parse_einvoice(xml(body(general, GOODS, pay("128.88", more=more))), Limits())
    assert profile == "FPR12"
    assert plain(invoice) == Invoice(
        doc_type="invoice",
        invoice_number="7/A",
        issue_date=date(2024, 3, 1),
        due_date=date(2024, 3, 31),
        currency="EUR",
        seller_name="Anna Rossi",
        seller_tax_id="IT01234567890",
        buyer_name="Ditta Beta",
        buyer_tax_id="09876543210",
        net_total=Decimal("106.00"),
        tax_total=Decimal("22.88"),
        gross_total=Decimal("128.88"),
        amount_due=Decimal("128.88"),
        iban="IT60X0542811101000000123456",
        payment_reference="C-1",
        line_items=[
            LineItem(
                line_id="1",
                description="Consulenza",
                quantity=Decimal(5),
                unit="ore",
                unit_price=Decimal(20),
                net_amount=Decimal(100),
                tax_rate=Decimal(22),
            )
        ],
        tax_lines=[
            TaxLine(category="S", rate=Decimal(22), base=Decimal(104), amount=Decimal("22.88")),
            TaxLine(category="E", rate=Decimal(0), base=Decimal(2), amount=Decimal(0), exemption_code="N1"),
        ],
        allowances_charges=[
            AllowanceCharge(charge=True, amount=Decimal(4), reason="TC22", tax_rate=Decimal(22), tax_category="S")
        ],
    )


def test_a_file_of_several_invoices_is_refused_with_their_numbers() -> None:
    """Reading one would drop the others silently."""
    with pytest.raises(InputError, match=r"holds 2 invoices \(7/A, 7/A\); split it into one file each"):
        parse_einvoice(xml(body(), body()), Limits())


def test_a_file_without_an_invoice_is_refused() -> None:
    """A header alone is no invoice."""
    with pytest.raises(InputError, match="no FatturaElettronicaBody"):
        parse_einvoice(xml(), Limits())


def test_the_simplified_format_is_another_one() -> None:
    """Its elements are not these: better refused than read as empty."""
    with pytest.raises(InputError, match="not an e-invoice"):
        parse_einvoice(
            b'<p:FatturaElettronicaSemplificata xmlns:p="http://ivaservizi.agenziaentrate.gov.it/x"/>', Limits()
        )


def test_a_left_out_total_is_net_and_tax_unless_something_else_changes_it() -> None:
    """A rounding or a discount on the whole may or may not be in it."""
    assert read().gross_total == Decimal("128.88")
    assert read("<Arrotondamento>0.12</Arrotondamento>").gross_total is None
    assert read("<ScontoMaggiorazione><Tipo>SC</Tipo><Importo>1.00</Importo></ScontoMaggiorazione>").gross_total is None


def test_no_breakdown_means_no_totals() -> None:
    """Nothing sums to None, not to zero."""
    invoice = read(goods="")
    assert (invoice.net_total, invoice.tax_total, invoice.gross_total) == (None, None, None)


def test_instalments_add_up_and_the_first_is_due() -> None:
    """Three payments of one invoice."""
    invoice = read(payment=pay("28.88", "2024-05-31") + pay("50.00", "2024-04-30") + pay("50.00", "2024-06-30"))
    assert (invoice.amount_due, invoice.due_date) == (Decimal("128.88"), date(2024, 4, 30))


def test_two_ways_to_pay_the_whole_are_paid_once() -> None:
    """The same total for two bank accounts is a choice, not a debt of twice as much."""
    assert read(payment=pay("128.88") * 2).amount_due == Decimal("128.88")


def test_what_the_buyer_withholds_for_the_treasury_is_settled_for_the_seller() -> None:
    """Withholding tax, and VAT under split payment: gross - prepaid = due."""
    held = "<DatiRitenuta><ImportoRitenuta>20.00</ImportoRitenuta></DatiRitenuta>"
    invoice = read(held, payment=pay("108.88"))
    assert (invoice.gross_total, invoice.prepaid, invoice.amount_due) == (Decimal("128.88"), 20, Decimal("108.88"))
    split = GOODS.replace("<Imposta>22.88</Imposta>", "<Imposta>22.88</Imposta><EsigibilitaIVA>S</EsigibilitaIVA>")
    assert read(goods=split).prepaid == Decimal("22.88")


def test_td04_is_a_credit_note() -> None:
    """Its amounts keep their signs."""
    data = xml(body().replace("TD01", "TD04"))
    invoice = parse_einvoice(data, Limits())[0]
    assert (invoice.doc_type, invoice.gross_total) == ("credit_note", Decimal("128.88"))


def test_a_signature_in_the_file_is_passed_over() -> None:
    """XAdES signatures stand inside the document."""
    signature = '<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:Object/></ds:Signature>'
    assert parse_einvoice(xml(body(), signature), Limits())[0].invoice_number == "7/A"


def test_a_bad_value_is_reported_by_its_italian_name() -> None:
    """As it stands in the file."""
    with pytest.raises(InputError, match=r"^ImportoTotaleDocumento is not a number: '1\.000,00'$"):
        read("<ImportoTotaleDocumento>1.000,00</ImportoTotaleDocumento>")


def test_a_file_with_several_invoices_becomes_a_file_of_each() -> None:
    """The header belongs to each of them; what is read of a part is what the file says."""
    whole = xml(body().replace("7/A", "1") + body().replace("7/A", "2"))
    parts = split_fatturapa(whole, Limits())
    assert [number for number, _ in parts] == ["1", "2"]
    invoices = [parse_einvoice(part, Limits())[0] for _, part in parts]
    assert [invoice.invoice_number for invoice in invoices] == ["1", "2"]
    assert {invoice.seller_name for invoice in invoices} == {"Anna Rossi"}


def test_a_file_is_split_by_characters_and_not_by_bytes_of_another_encoding() -> None:
    """The parts are UTF-8 and say so, whatever the file was."""
    text = xml(body().replace("Consulenza", "Perché") + body()).decode()
    whole = ('<?xml version="1.0" encoding="ISO-8859-1"?>' + text).encode("latin-1")
    first = parse_einvoice(split_fatturapa(whole, Limits())[0][1], Limits())[0]
    assert first.line_items[0].description == "Perché"


def test_a_file_with_one_invoice_needs_no_split() -> None:
    """Nothing to split: no parts."""
    assert split_fatturapa(xml(body()), Limits()) == []


@pytest.mark.parametrize(
    ("nature", "category"),
    [
        ("N1", "E"),
        ("N2.2", "O"),
        ("N3.1", "G"),
        ("N3.2", "K"),
        ("N3.5", "E"),
        ("N4", "E"),
        ("N6.9", "AE"),
        ("N9", None),
    ],
)
def test_a_nature_stands_for_a_tax_category(nature: str, category: str | None) -> None:
    """And stays as the reason's code, since it says more than the category."""
    rows = GOODS.replace("<Natura>N1</Natura>", f"<Natura>{nature}</Natura>")
    row = next(row for row in read(goods=rows).tax_lines if row.exemption_code)
    assert (row.category, row.exemption_code) == (category, nature)


def test_withheld_tax_and_stamp_duty_are_told() -> None:
    """They are no part of the total: withheld tax lessens what is paid, the stamp is the seller's duty."""
    general = (
        "<DatiRitenuta><TipoRitenuta>RT01</TipoRitenuta><ImportoRitenuta>20.00</ImportoRitenuta>"
        "<AliquotaRitenuta>20.00</AliquotaRitenuta><CausalePagamento>A</CausalePagamento></DatiRitenuta>"
        "<DatiBollo><BolloVirtuale>SI</BolloVirtuale><ImportoBollo>2.00</ImportoBollo></DatiBollo>"
    )
    details = read(general).details
    assert details is not None
    assert details.stamp_duty == Decimal("2.00")
    assert details.withholdings == [Withholding(kind="RT01", rate=Decimal(20), amount=Decimal(20), reason="A")]
