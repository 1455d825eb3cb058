"""What an accepted invoice lacks to be written as an e-invoice of EN 16931, filled in where it follows from the rest.

It fills in only what the document implies: totals that are sums by definition, a rate or a category that is the only
possible one (a rate above 0 is S), the country of a VAT id, the price of a line whose quantity and amount are known.
It never invents: what is still missing is told, by the number and the name that the term has in EN 16931.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from .checks_en16931 import check_en16931
from .checks_en16931_sums import cents, known
from .countries import ISO_3166
from .export_units import LUMP_SUM, ONE, OTHER, unit_code
from .invoice import Invoice, LineItem, TaxLine
from .invoice_details import Address, InvoiceDetails, LineDetails, Party, Payment

SPECIFICATION = "urn:cen.eu:en16931:2017"
_HARMLESS = ("BR-51",)
_PREFIXES = {"EL": "GR", "XI": "GB"}
_ZERO = Decimal(0)


def complete(invoice: Invoice, syntax: str, buyer_country: str | None = None) -> tuple[Invoice, list[str]]:
    """A copy that can be written in `syntax` (ubl, cii), and why it can't be: one sentence each, empty if it can.

    `buyer_country` is the buyer's country (ISO 3166-1) where the document doesn't tell it.
    """
    whole = invoice.model_copy(deep=True)
    details = whole.details = whole.details or InvoiceDetails()
    if details.syntax is None:
        _upright(whole)
    if not (details.type_code or "").isdecimal():
        details.type_code = "381" if whole.doc_type == "credit_note" else "380"
    details.seller = _party(details.seller, whole.seller_name, whole.seller_tax_id, None)
    details.buyer = _party(details.buyer, whole.buyer_name, whole.buyer_tax_id, buyer_country)
    details.buyer.ids = details.buyer.ids[:1]  # a seller may have several, a buyer one (BT-46)
    if not details.payments and whole.iban:
        details.payments = [Payment(code="30", account=whole.iban)]
    whole.line_items = [line for line in whole.line_items if line.status is None]
    for number, line in enumerate(whole.line_items, 1):
        _line(line, number, coded=details.syntax in ("ubl", "cii"))
    _sums(whole)
    _taxes(whole)
    _totals(whole)
    if details.tax_currency == whole.currency:  # the accounts have no other currency, so no other total
        details.tax_currency = None
    details.specification, details.syntax = SPECIFICATION, syntax
    return whole, _problems(whole, details)


def _problems(whole: Invoice, details: InvoiceDetails) -> list[str]:
    told = [f"{f.message} [{f.code}]" for f in check_en16931(whole) if f.code not in _HARMLESS]
    means = sorted({way.code for way in details.payments if way.code})
    if len(means) > 1:
        told.append(f"the payment means (BT-81) differ: {', '.join(means)}")
    if whole.tax_total is None:
        told.append("the total tax (BT-110) is missing")
    return told


def _upright(whole: Invoice) -> None:
    """A credit note whose seller gave its amounts with a minus: its type says already that they are credited."""
    if whole.doc_type != "credit_note" or (whole.gross_total or whole.amount_due or _ZERO) >= 0:
        return
    totals = ("line_total", "net_total", "tax_total", "gross_total", "amount_due")
    for field in totals:
        _negate(whole, field)
    for line in whole.line_items:
        _negate(line, "net_amount")
        if (line.quantity or _ZERO) < 0:
            _negate(line, "quantity")
        elif (line.unit_price or _ZERO) < 0:
            _negate(line, "unit_price")
    for row in whole.tax_lines:
        _negate(row, "base")
        _negate(row, "amount")


def _negate(part: Invoice | LineItem | TaxLine, field: str) -> None:
    value: Decimal | None = getattr(part, field)
    if value is not None:
        setattr(part, field, -value)


def _party(stated: Party | None, name: str | None, tax_id: str | None, country: str | None) -> Party:
    party = stated or Party()
    party.name = party.name or name
    if stated is None and tax_id:
        if _country_of(tax_id):
            party.vat_id = tax_id
        else:
            party.tax_registration = tax_id
    found = (party.address and party.address.country) or _country_of(party.vat_id) or country
    if found:
        party.address = party.address or Address()
        party.address.country = found
    return party


def _country_of(vat_id: str | None) -> str | None:
    """The country that issued a VAT id, by its prefix; None for a number without one."""
    prefix = (vat_id or "")[:2].upper()
    country = _PREFIXES.get(prefix, prefix)
    return country if country in ISO_3166 and any(c.isdigit() for c in vat_id or "") else None


def _line(line: LineItem, number: int, *, coded: bool) -> None:
    """One line: its number, its unit as a code, and price or quantity where the other and the amount imply it."""
    details = line.details = line.details or LineDetails()
    line.line_id = line.line_id or str(number)
    _quantity(line, details)
    if details.price_discount is not None and details.gross_price is None and line.unit_price is not None:
        details.gross_price = line.unit_price + details.price_discount
    if not coded or line.unit is None:
        code = unit_code(line.unit)
        if code == OTHER:
            details.note = f"{details.note or ''}\nUnit: {line.unit}".strip()
        line.unit = code
    if line.unit_price is not None and line.unit_price < 0 and line.quantity is not None:
        line.unit_price, line.quantity = -line.unit_price, -line.quantity


def _quantity(line: LineItem, details: LineDetails) -> None:
    net, quantity, price = line.net_amount, line.quantity, line.unit_price
    if net is None and quantity is not None and price is not None and not details.allowances_charges:
        line.net_amount = cents(quantity * price / (details.price_quantity or 1))
    elif quantity is None and net is not None:
        # A line that is an amount and nothing else is a lump sum; a price that is the amount is that of one.
        if price is None or abs(price) == abs(net):
            line.quantity, line.unit_price = Decimal(1), net
            line.unit = line.unit or (LUMP_SUM if price is None else ONE)
    elif price is None and net is not None and quantity and details.price_quantity is None:
        line.unit_price, details.price_quantity = net if quantity > 0 else -net, abs(quantity)


def _sums(whole: Invoice) -> None:
    """The totals before tax, which are sums by definition."""
    parts = whole.allowances_charges
    if whole.line_total is None and whole.line_items:
        whole.line_total = known(line.net_amount for line in whole.line_items)
    for field, charge in (("allowance_total", False), ("charge_total", True)):
        amounts = [part.amount for part in parts if part.charge == charge]
        if amounts and getattr(whole, field) is None:
            setattr(whole, field, known(amounts))
    if whole.net_total is None and whole.line_total is not None:
        whole.net_total = whole.line_total - (whole.allowance_total or _ZERO) + (whole.charge_total or _ZERO)


def _taxes(whole: Invoice) -> None:
    """The breakdown, and the category and the rate of what it consists of."""
    uses = [*whole.line_items, *whole.allowances_charges]
    if not whole.tax_lines:
        whole.tax_lines = _breakdown(whole)
    for row in whole.tax_lines:
        row.category = row.category or _category(row.rate)
    only = whole.tax_lines[0] if len(whole.tax_lines) == 1 else None
    if only is not None:
        rates = {use.tax_rate for use in uses if use.tax_rate is not None}
        only.rate = rates.pop() if only.rate is None and len(rates) == 1 else only.rate
        only.category = only.category or _category(only.rate)
        only.base = whole.net_total if only.base is None else only.base
        only.amount = whole.tax_total if only.amount is None else only.amount
    for use in uses:
        if use.tax_rate is None and only is not None:
            use.tax_rate = only.rate
        same = {row.category for row in whole.tax_lines if row.rate == use.tax_rate}
        category = same.pop() if len(same) == 1 else _category(use.tax_rate)
        if isinstance(use, LineItem):
            use.details = use.details or LineDetails()
            use.details.tax_category = use.details.tax_category or category
            stated = use.details.tax_category
        else:
            stated = use.tax_category = use.tax_category or category
        if stated == "O":
            use.tax_rate = None
    for row in whole.tax_lines:
        if row.exemption_code and not row.exemption_code.upper().startswith("VATEX-"):  # a national code is a text here
            row.exemption_reason = " ".join(part for part in (row.exemption_code, row.exemption_reason) if part)
            row.exemption_code = None
        row.rate = None if row.category == "O" else row.rate


def _category(rate: Decimal | None) -> str | None:
    """Above 0 it is the standard category; 0 can be any of seven, so the document has to say."""
    return "S" if rate is not None and rate > 0 else None


def _breakdown(whole: Invoice) -> list[TaxLine]:
    """Rows by rate. Of one rate they are the totals; of several, what each rate makes of its lines."""
    parts = whole.allowances_charges
    amounts = [(line.tax_rate, line.net_amount) for line in whole.line_items]
    amounts += [(part.tax_rate, part.amount if part.charge else part.amount and -part.amount) for part in parts]
    rates = sorted({rate for rate, _ in amounts if rate is not None})
    if len(rates) == 1:
        return [TaxLine(rate=rates[0], base=whole.net_total, amount=whole.tax_total)]
    if not rates or any(rate is None for rate, _ in amounts):
        return []
    sums = {rate: known(amount for found, amount in amounts if found == rate) for rate in rates}
    return [
        TaxLine(rate=rate, base=base, amount=(base * rate / 100).quantize(Decimal("0.01"), ROUND_HALF_UP))
        for rate, base in sums.items()
    ]


def _totals(whole: Invoice) -> None:
    """The totals with tax, which are sums by definition."""
    if whole.tax_total is None and whole.tax_lines and all(row.amount is not None for row in whole.tax_lines):
        whole.tax_total = known(row.amount for row in whole.tax_lines)
    if whole.gross_total is None and whole.net_total is not None and whole.tax_total is not None:
        whole.gross_total = whole.net_total + whole.tax_total
    if whole.amount_due is None and whole.gross_total is not None:
        whole.amount_due = whole.gross_total - (whole.prepaid or _ZERO) + (whole.rounding or _ZERO)
