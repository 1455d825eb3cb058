"""Where in an e-invoice's XML a value stands: the path of its element, found again by the element's name and text.

It looks up what the readers of the formats have read, and reads nothing itself: a value that was put together of
several elements has no path.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation

from .einvoice_node import Node
from .invoice import Invoice

_MOST_NODES = 20_000
_SELLER = "AccountingSupplierParty|SellerTradeParty|CedentePrestatore"
_BUYER = "AccountingCustomerParty|BuyerTradeParty|CessionarioCommittente"
_NAMES = "RegistrationName|Name|Denominazione|TradingBusinessName"
_IDS = "CompanyID|ID|IdCodice|CodiceFiscale"
# Names of the element (UBL, CII, FatturaPA), and one that it must stand within, for what has a name that others have.
_ELEMENTS = {
    "invoice_number": (
        "ID|Numero",
        "Invoice|CreditNote|ExchangedDocument|HeaderExchangedDocument|DatiGeneraliDocumento",
    ),
    "issue_date": (
        "IssueDate|DateTimeString|Data",
        "Invoice|CreditNote|IssueDateTime|DatiGeneraliDocumento",
    ),
    "due_date": ("DueDate|PaymentDueDate|DateTimeString|DataScadenzaPagamento", ""),
    "currency": ("DocumentCurrencyCode|InvoiceCurrencyCode|Divisa", ""),
    "seller_name": (_NAMES, _SELLER),
    "seller_tax_id": (_IDS, _SELLER),
    "buyer_name": (_NAMES, _BUYER),
    "buyer_tax_id": (_IDS, _BUYER),
    "line_total": ("LineExtensionAmount|LineTotalAmount", "LegalMonetaryTotal|%"),
    "net_total": ("TaxExclusiveAmount|TaxBasisTotalAmount", ""),
    "tax_total": ("TaxAmount|TaxTotalAmount", "TaxTotal|%"),
    "gross_total": ("TaxInclusiveAmount|GrandTotalAmount|ImportoTotaleDocumento", ""),
    "prepaid": ("PrepaidAmount|TotalPrepaidAmount", ""),
    "amount_due": ("PayableAmount|DuePayableAmount|ImportoPagamento", ""),
    "iban": ("ID|IBANID|IBAN", "PayeeFinancialAccount|PayeePartyCreditorFinancialAccount|DettaglioPagamento"),
}
_TAX_PARTS = frozenset(("PartyTaxScheme", "SpecifiedTaxRegistration", "IdFiscaleIVA", "DatiAnagrafici"))
_SUMS = re.compile(r"Specified(?!\w*Line)\w*MonetarySummation")


def paths_of(root: Node, invoice: Invoice) -> dict[str, str]:
    """The path of each field's element, as `/Invoice/LegalMonetaryTotal/PayableAmount`; same names are counted."""
    found: dict[str, str] = {}
    wanted = {field: value for field in _ELEMENTS if (value := getattr(invoice, field)) is not None}
    for number, (node, path, parents) in enumerate(_leaves(root, f"/{root.name}", ())):
        if number > _MOST_NODES or len(found) == len(wanted):
            break
        for field, value in wanted.items():
            if field not in found and _is_at(field, node.name, parents) and _says(node.text or "", value):
                found[field] = path
    return found


def _leaves(node: Node, path: str, parents: tuple[str, ...]) -> Iterator[tuple[Node, str, tuple[str, ...]]]:
    if node.text:
        yield node, path, parents
    for child, step in _steps(node):
        yield from _leaves(child, f"{path}/{step}", (*parents, node.name))


def elements(node: Node, path: str = "", depth: int = 0) -> Iterator[tuple[int, str, Node]]:
    """Every element in the order of the document: how deep it is, its path, and itself."""
    path = path or f"/{node.name}"
    yield depth, path, node
    for child, step in _steps(node):
        yield from elements(child, f"{path}/{step}", depth + 1)


def _steps(node: Node) -> Iterator[tuple[Node, str]]:
    """The children with what a path calls each: its name, counted where others have it."""
    counts = Counter[str]()
    names = Counter(child.name for child in node.children or ())
    for child in node.children or ():
        counts[child.name] += 1
        yield child, child.name if names[child.name] == 1 else f"{child.name}[{counts[child.name]}]"


def _is_at(field: str, name: str, parents: tuple[str, ...]) -> bool:
    names, within = _ELEMENTS[field]
    if name not in names.split("|"):
        return False
    if not within:
        return True
    if field.endswith("tax_id") and parents[-1] not in _TAX_PARTS:
        return False
    if field in ("invoice_number", "issue_date"):
        return bool(parents) and parents[-1] in within.split("|")
    return any(parent in within.split("|") or ("%" in within and _SUMS.fullmatch(parent)) for parent in parents)


def _says(text: str, value: str | Decimal | date) -> bool:
    if isinstance(value, Decimal):
        try:
            return Decimal(text) == value
        except InvalidOperation:
            return False
    if isinstance(value, date):
        return re.sub(r"\D", "", text)[:8] == f"{value:%Y%m%d}"
    return _bare(text) == _bare(value) or (len(text) > 4 and _bare(value).endswith(_bare(text)))


def _bare(text: str) -> str:
    return re.sub(r"\s", "", text).casefold()
