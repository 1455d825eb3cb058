"""The business rules of EN 16931 that can be computed from an `Invoice`, as findings named by their rule's id.

They speak only of UBL and CII invoices that say they follow EN 16931, or a Factur-X profile (MINIMUM and BASIC WL have
fewer terms, so fewer rules). A sum that is broken by more than rounding, or tax where there may be none, is an error:
amounts are in doubt. All else is a warning: a missing or odd term is the sender's formal defect, and the amounts still
stand. docs/checks.md lists every rule. Rules that need the lists of units, of identifier schemes or of the reasons for
charges are not checked.

Source: EN 16931-1:2017 and its validation artefacts of the European Committee for Standardization.
"""

from __future__ import annotations

from collections.abc import Iterator

from .checks_en16931_codes import check_codes, check_decimals
from .checks_en16931_sums import check_sums
from .checks_en16931_terms import check_lines, check_terms
from .checks_en16931_vat import check_vat
from .document import Finding
from .invoice import Invoice

_NORM = "urn:cen.eu:en16931:2017"
_MINIMUM, _WITHOUT_LINES = ("minimum",), ("basicwl", "minimum")
_FACTUR_X = ("urn:factur-x.eu:1p0:", "urn:zugferd.de:2p0:")
NOT_IN_MINIMUM = frozenset({"BR-10", "BR-11", "BR-12", "BR-CO-18", "BR-CO-26"})


def check_en16931(invoice: Invoice) -> Iterator[Finding]:
    """Every broken rule, once for each rule; nothing for an invoice that does not claim to follow EN 16931."""
    details = invoice.details
    profile = (details.specification or "").lower() if details and details.syntax in ("ubl", "cii") else ""
    if details is None or not profile.startswith((_NORM, *_FACTUR_X)):
        return
    skipped = NOT_IN_MINIMUM if profile.endswith(_MINIMUM) else frozenset[str]()
    yield from (finding for finding in check_terms(invoice, details) if finding.code not in skipped)
    yield from check_codes(invoice, details)
    yield from check_decimals(invoice)
    if profile.endswith(_WITHOUT_LINES):
        yield from check_sums(invoice, has_lines=False, is_minimum=profile.endswith(_MINIMUM))
        return
    yield from check_lines(invoice)
    yield from check_sums(invoice, has_lines=True, is_minimum=False)
    yield from check_vat(invoice, details)
