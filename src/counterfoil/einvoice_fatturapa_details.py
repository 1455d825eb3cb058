"""What a FatturaPA says beside its totals, in the terms of EN 16931: parties, references, payment, withheld tax, stamp.

Promises: every code is either translated by the tables here or kept as it stands; what has no term is left out.
"""

from __future__ import annotations

from decimal import Decimal

from .einvoice_node import Node
from .einvoice_values import amount, detail_day
from .invoice_details import (
    Address,
    Attribute,
    Contact,
    Delivery,
    Identifier,
    InvoiceDetails,
    LineAllowanceCharge,
    LineDetails,
    Note,
    Party,
    Payment,
    Reference,
    Withholding,
)

_GENERAL = "DatiGenerali/DatiGeneraliDocumento"
_TYPES = {"TD01": "380", "TD02": "386", "TD03": "386", "TD04": "381", "TD05": "383", "TD06": "380", "TD24": "380"}
_MEANS = {
    "MP01": "10",  # cash
    "MP02": "20",  # cheque
    "MP03": "23",  # banker's draft
    "MP05": "30",  # credit transfer
    "MP08": "48",  # card
    "MP09": "49",  # direct debit
    "MP10": "49",
    "MP11": "49",
    "MP19": "59",  # SEPA direct debit
    "MP20": "59",
    "MP21": "59",
}
REASONS = {"SC": "Sconto", "MG": "Maggiorazione"}
_GTIN = ("EAN", "GTIN")
_NATURE = {"N1": "E", "N2": "O", "N3.1": "G", "N3.2": "K", "N3.3": "G", "N4": "E", "N5": "E", "N6": "AE", "N7": "O"}
"""Excluded, not subject, exports, supplies within the EU, San Marino, exempt, margin scheme, reverse charge, taxed in
another member state. What else of N3 is not taxable in Italy is exempt in the terms of EN 16931."""


def tax_category(rate: Decimal | None, nature: str | None) -> str | None:
    """The category (UNTDID 5305) that a rate and a nature (`Natura`: why there is no tax) stand for."""
    if nature:
        nature = nature.upper()
        return _NATURE.get(nature) or _NATURE.get(nature[:2]) or ("E" if nature.startswith("N3") else None)
    return "S" if rate else None


def fatturapa_details(root: Node, body: Node) -> InvoiceDetails:
    """Everything on the level of one invoice (`body`) of a file (`root`)."""
    general = body.first(_GENERAL) or Node("", "", None)
    header = root.first("FatturaElettronicaHeader") or Node("", "", None)
    kind = general.value("TipoDocumento")
    shipping = body.first("DatiGenerali/DatiTrasporto")
    return InvoiceDetails(
        syntax="fatturapa",
        process=header.value("DatiTrasmissione/FormatoTrasmissione"),
        type_code=_TYPES.get(kind or "", kind),
        notes=[Note(text=node.text) for node in general.all("Causale") if node.text],
        project=body.value("DatiGenerali/DatiOrdineAcquisto/CodiceCUP|CodiceCommessaConvenzione"),
        tender=body.value("DatiGenerali/DatiOrdineAcquisto/CodiceCIG"),
        contract=body.value("DatiGenerali/DatiContratto/IdDocumento"),
        receiving_advice=body.value("DatiGenerali/DatiRicezione/IdDocumento"),
        despatch_advice=body.value("DatiGenerali/DatiDDT/NumeroDDT"),
        accounting_reference=header.value("CedentePrestatore/RiferimentoAmministrazione"),
        preceding_invoices=[
            Reference(number=node.value("IdDocumento"), issued=detail_day(node.first("Data")))
            for node in body.all("DatiGenerali/DatiFattureCollegate")
        ],
        documents=[
            Reference(number=node.value("NomeAttachment"), description=node.value("DescrizioneAttachment"))
            for node in body.all("Allegati")
        ],
        seller=_party(header.first("CedentePrestatore"), None),
        buyer=_party(header.first("CessionarioCommittente"), _destination(header)),
        tax_representative=_party(header.first("RappresentanteFiscale"), None),
        payments=[_payment(node) for node in body.all("DatiPagamento/DettaglioPagamento")],
        withholdings=[_withholding(node) for node in general.all("DatiRitenuta")],
        stamp_duty=amount(general.first("DatiBollo/ImportoBollo")),
        delivery=shipping and Delivery(address=_address(shipping.first("IndirizzoResa"))),
    )


def _destination(header: Node) -> Identifier | None:
    """Where the file is sent: a code of the exchange system, else a certified mailbox."""
    code = header.value("DatiTrasmissione/CodiceDestinatario")
    mailbox = header.value("DatiTrasmissione/PECDestinatario")
    if mailbox:
        return Identifier(value=mailbox, scheme="EM")
    return Identifier(value=code, scheme="0205") if code else None


def _party(party: Node | None, destination: Identifier | None) -> Party | None:
    if party is None:
        return None
    data = party.first("DatiAnagrafici") or party
    code, country = data.value("IdFiscaleIVA/IdCodice"), data.value("IdFiscaleIVA/IdPaese")
    person = (data.value("Anagrafica/Nome"), data.value("Anagrafica/Cognome"))
    register = (party.value("IscrizioneREA/Ufficio"), party.value("IscrizioneREA/NumeroREA"))
    reach = party.first("Contatti")
    return Party(
        name=data.value("Anagrafica/Denominazione") or " ".join(part for part in person if part) or None,
        vat_id=(country or "") + code if code else None,
        tax_registration=data.value("CodiceFiscale"),
        legal_id=Identifier(value=" ".join(part for part in register if part)) if register[1] else None,
        electronic_address=destination,
        address=_address(party.first("Sede")),
        contact=reach and Contact(phone=reach.value("Telefono"), email=reach.value("Email")),
    )


def _address(node: Node | None) -> Address | None:
    if node is None:
        return None
    street = (node.value("Indirizzo"), node.value("NumeroCivico"))
    return Address(
        street=" ".join(part for part in street if part) or None,
        city=node.value("Comune"),
        post_code=node.value("CAP"),
        subdivision=node.value("Provincia"),
        country=node.value("Nazione"),
    )


def _payment(node: Node) -> Payment:
    means = node.value("ModalitaPagamento")
    return Payment(
        code=_MEANS.get(means or "", "ZZZ" if means else None),
        text=means,
        account=node.value("IBAN"),
        account_name=node.value("Beneficiario"),
        bic=node.value("BIC"),
    )


def _withholding(node: Node) -> Withholding:
    return Withholding(
        kind=node.value("TipoRitenuta"),
        rate=amount(node.first("AliquotaRitenuta")),
        amount=amount(node.first("ImportoRitenuta")),
        reason=node.value("CausalePagamento"),
    )


def fatturapa_line_details(line: Node) -> LineDetails:
    """What one line says beside its amounts."""
    codes = [(node.value("CodiceTipo"), node.value("CodiceValore")) for node in line.all("CodiceArticolo")]
    return LineDetails(
        note=line.value("RiferimentoAmministrazione"),
        period_start=detail_day(line.first("DataInizioPeriodo")),
        period_end=detail_day(line.first("DataFinePeriodo")),
        allowances_charges=[
            LineAllowanceCharge(
                charge=node.value("Tipo") == "MG",
                amount=amount(node.first("Importo")),
                percent=amount(node.first("Percentuale")),
                reason=REASONS.get(node.value("Tipo") or ""),
            )
            for node in line.all("ScontoMaggiorazione")
        ],
        tax_category=tax_category(amount(line.first("AliquotaIVA")), line.value("Natura")),
        standard_item_id=next((Identifier(value=value, scheme="0160") for kind, value in codes if kind in _GTIN), None),
        attributes=[Attribute(name=kind, value=value) for kind, value in codes if kind not in _GTIN],
    )
