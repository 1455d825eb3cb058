"""The offline reader: an invoice from labels, layout and arithmetic alone, in six languages.

It promises that what it says is printed on the page, and that a gross total fits the other totals; what it can't read,
or what contradicts itself, is None. It never raises on odd input, calls nothing, and knows no supplier.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from .dates import find_dates
from .document import Finding, Page
from .invoice import DocType, Invoice, LineItem, TaxLine
from .rules_doubts import doubts
from .rules_evidence import Evidence, evidence_of
from .rules_figures import figures_of, tax_lines_of
from .rules_ids import as_number, ibans, invoice_number, tax_ids
from .rules_lines import read_lines
from .rules_parties import read_parties
from .rules_sheet import Sheet, read_field, sheet_of, spots
from .rules_totals import resolve
from .rules_words import (
    CREDIT,
    DATE,
    DELIVERY,
    DUE_DATE,
    ISSUED,
    NUMBER,
    ORDER,
    PAYMENT_REFERENCE,
    REFERENCE,
    SELF_BILLED,
)

_LABELS = (NUMBER, ISSUED, DUE_DATE, DELIVERY, ORDER, REFERENCE, PAYMENT_REFERENCE, DATE)
_AFTER_NUMBER = re.compile(r"\b(?:vom|von|du|van|del|of|dated|de fecha|in data|d\.d\.)\s+$", re.IGNORECASE)
_INCLUDED = re.compile(r"\W*(?:incl|inkl|of which|thereof|davon|dont|waarvan|di cui|de los cuales)\b", re.IGNORECASE)
_TOWN = re.compile(r"[a-z][a-z .\-/]{2,30},\s*(?:den\s|le\s|li\s|a\s|il\s)?\s*")
_PAY_UNTIL = re.compile(
    r"\b(?:bis|by|before|on|avant le|le|uiterlijk|voor|entro|antes del|am)\s+(?:zum\s|spatestens\s)?$", re.IGNORECASE
)
_PAY = re.compile(
    r"zahl|reglement|effectuer|uberweis|begleich|payment is due|please pay|pay(?:able)? |a regler|a payer|betal|"
    r"voldoen|pagare|pagar"
)
_DISCOUNT = re.compile(r"skonto|escompte|sconto|discount|descuento|korting", re.IGNORECASE)


def read_rules(pages: Sequence[Page]) -> Invoice:
    """Reads what the pages say. Pure: the same pages give the same invoice; whatever isn't read is None."""
    return read_sheet(sheet_of(pages))[0]


def read_sheet(sheet: Sheet) -> tuple[Invoice, tuple[Finding, ...]]:
    """The invoice, and where the page leaves open what was taken (see `rules_doubts`)."""
    evidence = evidence_of(sheet)
    figures = figures_of(sheet, evidence.mark, evidence.currency)
    items = _without_included(read_lines(sheet, evidence.mark), {figure.value for figure in figures})
    totals = resolve(figures, tax_lines_of(sheet, evidence.mark), _sum(items))
    parties = read_parties(sheet, tax_ids(sheet))
    number = invoice_number(sheet)
    issued = _issue_date(sheet, evidence, number)
    due = _due_date(sheet, evidence)
    invoice = Invoice(
        doc_type=_doc_type(sheet),
        invoice_number=number,
        issue_date=issued,
        due_date=due if due and (issued is None or due >= issued) else None,
        delivery_date=_dated(sheet, DELIVERY, evidence),
        currency=evidence.currency,
        seller_name=parties.seller,
        seller_tax_id=parties.seller_id,
        buyer_name=parties.buyer,
        buyer_tax_id=parties.buyer_id,
        purchase_order=read_field(sheet, ORDER, _LABELS, as_number, at_start=True),
        buyer_reference=read_field(sheet, REFERENCE, _LABELS, _line_of_text, at_start=True),
        line_total=totals.line_total,
        allowance_total=totals.allowance,
        charge_total=totals.charge,
        net_total=totals.net,
        tax_total=totals.tax,
        gross_total=totals.gross,
        prepaid=totals.prepaid,
        rounding=totals.rounding,
        amount_due=totals.due,
        iban=next(iter(ibans(sheet)), None),
        payment_reference=read_field(sheet, PAYMENT_REFERENCE, _LABELS, _line_of_text),
        line_items=items,
        tax_lines=[TaxLine(category=None, rate=rate, base=base, amount=tax) for rate, base, tax in totals.tax_lines],
    )
    return invoice, tuple(doubts(sheet, evidence, number, issued))


def _sum(items: Sequence[LineItem]) -> Decimal | None:
    """The sum of the lines, if each has its amount."""
    amounts = [item.net_amount for item in items]
    known = [amount for amount in amounts if amount is not None]
    return sum(known, Decimal(0)) if known and len(known) == len(amounts) else None


def _without_included(items: list[LineItem], printed: set[Decimal]) -> list[LineItem]:
    """Leaves out rows that say they are included in others, if only so the lines add up to a printed total."""
    others = [item for item in items if not _INCLUDED.match(item.description or "")]
    whole, rest = _sum(items), _sum(others)
    return others if rest in printed and whole not in printed else items


def _doc_type(sheet: Sheet) -> DocType:
    """A credit note says so at the start of a cell near the top; a self-billed "Gutschrift" is none."""
    for line in sheet.lines:
        if line.page > 1 or line.y0 > 0.5 * sheet.page_height:
            break
        for folded in line.folded:
            match = CREDIT.match(folded)
            if match and not SELF_BILLED.search(folded) and len(folded) < 60:
                return "credit_note"
    return "invoice"


def _issue_date(sheet: Sheet, evidence: Evidence, number: str | None) -> date | None:
    """By its label, else beside the number ("Nr. 17 vom ..."), else by a bare "Date", else the only date there is."""
    found = _dated(sheet, ISSUED, evidence) or _beside_number(sheet, evidence, number or "")
    if found:
        return found
    found = _dated(sheet, DATE, evidence, at_start=True) or _in_row(sheet, evidence) or _after_town(sheet, evidence)
    if found:
        return found
    every = {found.value for found in find_dates(sheet.text, month_first=evidence.month_first)}
    return every.pop() if len(every) == 1 else None


def _in_row(sheet: Sheet, evidence: Evidence) -> date | None:
    """A "Date:" that follows another value in the same cell, as in "Rechnung Nr. 17  Datum: 1.2.2024"."""
    for spot in spots(sheet, DATE):
        before, after = spot.box.text[: spot.start].split(), spot.box.text[spot.end :]
        found = next(find_dates(spot.rest, month_first=evidence.month_first), None)
        if before and any(map(str.isdigit, before[-1])) and after.startswith(":") and found and found.start == 0:
            return found.value
    return None


def _after_town(sheet: Sheet, evidence: Evidence) -> date | None:
    """As letters are dated: "Zürich, 12. Februar 2024"."""
    for line in sheet.lines:
        for cell, folded in zip(line.cells, line.folded, strict=True):
            for found in find_dates(cell.text, month_first=evidence.month_first):
                if found.end == len(cell.text) and _TOWN.fullmatch(folded[: found.start]):
                    return found.value
    return None


def _dated(sheet: Sheet, label: re.Pattern[str], evidence: Evidence, *, at_start: bool = False) -> date | None:
    def accept(text: str) -> date | None:
        found = next(find_dates(text, month_first=evidence.month_first), None)
        return found.value if found and found.start < 25 else None

    return read_field(sheet, label, _LABELS, accept, at_start=at_start)


def _beside_number(sheet: Sheet, evidence: Evidence, number: str) -> date | None:
    """As "Rechnung Nr. 17 vom 1.2.2024"; not beside another document's number."""
    for line in sheet.lines:
        text = " ".join(cell.text for cell in line.cells)
        for found in find_dates(text, month_first=evidence.month_first):
            before = text[: found.start]
            if found.value and number and number in before and _AFTER_NUMBER.search(before):
                return found.value
    return None


def _due_date(sheet: Sheet, evidence: Evidence) -> date | None:
    """By its label, else in a sentence that asks to pay by a day; never the day until which a discount holds."""
    labelled = _dated(sheet, DUE_DATE, evidence)
    if labelled:
        return labelled
    for line in sheet.lines:
        text = " ".join(cell.text for cell in line.cells)
        folded = " ".join(line.folded)
        for found in find_dates(text, month_first=evidence.month_first):
            before = folded[: found.start]
            if found.value and _PAY.search(before) and _PAY_UNTIL.search(before) and not _DISCOUNT.search(before):
                return found.value
    return None


def _line_of_text(text: str) -> str | None:
    return text.strip() if 2 <= len(text.strip()) <= 60 else None
