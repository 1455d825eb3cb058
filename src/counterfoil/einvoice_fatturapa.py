"""FatturaPA 1.2, the Italian e-invoice of public (FPA12) and private (FPR12) buyers, read into an `Invoice`.

FatturaPA states its totals by tax rate only (DatiRiepilogo): net and tax are their sums, by definition and not by
guess, and so is the gross total where ImportoTotaleDocumento is left out and nothing else changes it. A file with
several invoices is refused rather than read in part; `einvoice_fatturapa_split` makes a file of each.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from .einvoice_fatturapa_details import REASONS, fatturapa_details, fatturapa_line_details, tax_category
from .einvoice_node import Node
from .einvoice_values import amount, day, first_day, iban, only_day, total
from .errors import InputError
from .invoice import AllowanceCharge, Invoice, LineItem, TaxLine

_GENERAL = "DatiGenerali/DatiGeneraliDocumento"
_CREDIT_NOTES = frozenset({"TD04", "TD08"})


def is_fatturapa(root: Node) -> bool:
    """Whether `root` is an ordinary FatturaPA file (the simplified one, FSM10, is another format)."""
    known = ("ivaservizi.agenziaentrate.gov.it", "www.fatturapa.gov.it")
    return root.name == "FatturaElettronica" and any(host in root.namespace for host in known)


def read_fatturapa(root: Node) -> tuple[Invoice, str]:
    """The invoice, and its format (FPA12 or FPR12), or "FatturaPA" where it states none."""
    body = _body(root)
    general = body.first(_GENERAL) or Node("", "", None)
    seller = root.first("FatturaElettronicaHeader/CedentePrestatore/DatiAnagrafici")
    buyer = root.first("FatturaElettronicaHeader/CessionarioCommittente/DatiAnagrafici")
    payments = body.all("DatiPagamento/DettaglioPagamento")
    rows = body.all("DatiBeniServizi/DatiRiepilogo")
    net = _sum(rows, "ImponibileImporto")
    tax = _sum(rows, "Imposta")
    gross = amount(general.first("ImportoTotaleDocumento"))
    if gross is None and not general.first("ScontoMaggiorazione|Arrotondamento"):
        gross = total((net, tax)) if net is not None and tax is not None else None
    invoice = Invoice(
        doc_type="credit_note" if general.value("TipoDocumento") in _CREDIT_NOTES else "invoice",
        invoice_number=general.value("Numero"),
        issue_date=day(general.first("Data")),
        due_date=first_day(node for row in payments for node in row.all("DataScadenzaPagamento")),
        delivery_date=only_day(body.all("DatiGenerali/DatiTrasporto/DataOraConsegna")),
        currency=general.value("Divisa"),
        seller_name=_name(seller),
        seller_tax_id=_tax_id(seller),
        buyer_name=_name(buyer),
        buyer_tax_id=_tax_id(buyer),
        purchase_order=body.value("DatiGenerali/DatiOrdineAcquisto/IdDocumento"),
        buyer_reference=None,  # as for every None here, FatturaPA has no element for it
        line_total=None,
        allowance_total=None,
        charge_total=None,
        net_total=net,
        tax_total=tax,
        gross_total=gross,
        prepaid=_withheld(general, rows),
        rounding=amount(general.first("Arrotondamento")),
        amount_due=_due(payments, gross),
        iban=iban(row.value("IBAN") for row in payments),
        payment_reference=next((code for row in payments if (code := row.value("CodicePagamento"))), None),
        line_items=[_line(line) for line in body.all("DatiBeniServizi/DettaglioLinee")],
        tax_lines=[_tax_line(row) for row in rows],
        allowances_charges=_allowances_charges(general),
        details=fatturapa_details(root, body),
    )
    profile = root.value("FatturaElettronicaHeader/DatiTrasmissione/FormatoTrasmissione")
    return invoice, profile or root.attribute("versione") or "FatturaPA"


def _body(root: Node) -> Node:
    bodies = root.all("FatturaElettronicaBody")
    if len(bodies) == 1:
        return bodies[0]
    if not bodies:
        raise InputError("the FatturaPA file has no FatturaElettronicaBody, so no invoice")
    numbers = [body.value(f"{_GENERAL}/Numero") or "without number" for body in bodies[:10]]
    raise InputError(
        f"the FatturaPA file holds {len(bodies)} invoices ({', '.join(numbers)[:300]}); split it into one file each"
    )


def _sum(rows: Iterable[Node], name: str) -> Decimal | None:
    return total(amount(row.first(name)) for row in rows)


def _withheld(general: Node, rows: list[Node]) -> Decimal | None:
    """What the buyer pays to the treasury in the seller's place: withholding tax, and VAT under split payment.

    Settled for the seller, so it stands where the Italian use of EN 16931 has it: gross - prepaid = due.
    """
    taxes = [amount(node) for node in general.all("DatiRitenuta/ImportoRitenuta")]
    split = [amount(row.first("Imposta")) for row in rows if row.value("EsigibilitaIVA") == "S"]
    return total(taxes + split)


def _due(payments: list[Node], gross: Decimal | None) -> Decimal | None:
    """What the payments add up to; where each of them is the whole total, they are ways to pay it, not parts."""
    stated = [amount(row.first("ImportoPagamento")) for row in payments]
    return gross if stated and all(value == gross for value in stated) else total(stated)


def _name(party: Node | None) -> str | None:
    if party is None:
        return None
    person = (party.value("Anagrafica/Nome"), party.value("Anagrafica/Cognome"))
    return party.value("Anagrafica/Denominazione") or " ".join(part for part in person if part) or None


def _tax_id(party: Node | None) -> str | None:
    """The VAT identifier, country and code; else the fiscal code."""
    if party is None:
        return None
    code = party.value("IdFiscaleIVA/IdCodice")
    return (party.value("IdFiscaleIVA/IdPaese") or "") + code if code else party.value("CodiceFiscale")


def _line(line: Node) -> LineItem:
    return LineItem(
        line_id=line.value("NumeroLinea"),
        description=line.value("Descrizione"),
        quantity=amount(line.first("Quantita")),
        unit=line.value("UnitaMisura"),
        unit_price=amount(line.first("PrezzoUnitario")),
        net_amount=amount(line.first("PrezzoTotale")),
        tax_rate=amount(line.first("AliquotaIVA")),
        details=fatturapa_line_details(line),
    )


def _tax_line(row: Node) -> TaxLine:
    """The nature stays as it is as the reason's code: it says more than the category that it stands for."""
    return TaxLine(
        category=tax_category(amount(row.first("AliquotaIVA")), row.value("Natura")),
        exemption_code=row.value("Natura"),
        exemption_reason=row.value("RiferimentoNormativo") if row.value("Natura") else None,
        rate=amount(row.first("AliquotaIVA")),
        base=amount(row.first("ImponibileImporto")),
        amount=amount(row.first("Imposta")),
    )


def _allowances_charges(general: Node) -> list[AllowanceCharge]:
    """Social security contributions, which come on top of the lines, and discounts or surcharges on the whole."""
    funds = [
        AllowanceCharge(
            charge=True,
            amount=amount(fund.first("ImportoContributoCassa")),
            reason=fund.value("TipoCassa"),
            tax_rate=amount(fund.first("AliquotaIVA")),
            tax_category=tax_category(amount(fund.first("AliquotaIVA")), fund.value("Natura")),
            base=amount(fund.first("ImponibileCassa")),
            percent=amount(fund.first("AlCassa")),
        )
        for fund in general.all("DatiCassaPrevidenziale")
    ]
    others = [
        AllowanceCharge(
            charge=node.value("Tipo") == "MG",
            amount=amount(node.first("Importo")),
            percent=amount(node.first("Percentuale")),
            reason=REASONS.get(node.value("Tipo") or ""),
        )
        for node in general.all("ScontoMaggiorazione")
    ]
    return funds + others
