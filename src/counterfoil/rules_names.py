"""What may be a name of a firm or a person, and what is rather an address or a way to reach somebody."""

from __future__ import annotations

import re

from .currencies import CURRENCIES
from .dates import find_dates, fold
from .rules_figures import names_only
from .rules_words import BUYER, DATE, DUE_DATE, ISSUED, NUMBER, SELLER, SHIP_TO, TAX_ID, TITLE

LEGAL_FORM = re.compile(
    r"(?<![\w.])(?:GmbH(?: ?& ?Co\.? ?KG)?|gGmbH|mbH|AG|KG|OHG|UG|e\. ?K\.|e\. ?V\.|GbR|PartG|SE|"
    r"Ltd\.?|LTD\.?|Limited|LIMITED|LLC|"
    r"L\.L\.C\.|LLP|PLC|plc|Inc\.?|INC\.?|Incorporated|Corp\.?|Corporation|CORPORATION|Co\.|CO\.|Company|COMPANY|GMBH|"
    r"S\.?A\.?R\.?L\.?|Sàrl|Sarl|SASU?|S\.A\.S\.?|EURL|SNC|SCI|S\.?A\.?|B\.?V\.?|N\.?V\.?|VOF|V\.O\.F\.|BVBA|SRL|"
    r"S\.?r\.?l\.?s?|S\.R\.L\.|S\.?p\.?A\.?|SPA|S\.?n\.?c\.?|S\.?a\.?s\.?|S\.?L\.?U?\.?|Pvt\.?|Pty\.?|ApS|A/S|AB|Oy|AS|"
    r"Kft\.?|d\.o\.o\.|s\.r\.o\.|Sp\. ?z ?o\.o\.|LDA|Lda\.?|Foundation|Stiftung|Verein)(?![\w])"
)
_PLACE = re.compile(
    r"(?:^|[\s,\-])(?:(?:\d{4}\s+|\d{5}\s?|\d{5}-\d{4}\s+)[A-ZÀ-Ý]|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}\b|"
    r"[A-Z]{2},? \d{5}\b|\d{4} ?[A-Z]{2}\s|[A-Z][a-z]+,?\s[A-Z]{2,3}\s\d{4,5}\b|\d{6}\b|\d{3} \d{2}\s+[A-Z])"
    r"|^(?:CH|D|A|F|I|B|L|NL)-\d{4,5}\b|\b[A-Z]\d[A-Z] \d[A-Z]\d\b"
)
_CONTACT = re.compile(
    r"@|\bwww\.|https?://|\b(?:tel|fon|fax|phone|telefon|telephone|telefono|tfno|mobile|mobil|e-?mail|web|iban|bic|vat|"
    r"ust-?id|kvk|btw|mwst|uid|siret|p\.? ?iva|cif|nif|abn|gstin)\b|\+\d{2}[\s(]",
    re.IGNORECASE,
)
_CUT = re.compile(r"\s*[·•●▪|*]\s*|\s+[-–—]\s+|\s{3,}|,\s+(?=\d)|,\s+\D+\s\d|\s\(|\.?\s+(?:Tel|Fax|Phone|Telefon)\b")
_PREFIX = re.compile(
    r"(?:attn|attention|z\.? ?hd\.?|c/o|to|an|firma|fa\.|company|name|messrs|m/s|à l'attention de)\b[.:\s]*",
    re.IGNORECASE,
)
_NOT_NAMES = re.compile(
    r"\b(?:page|seite|pagina|página|copy|original|duplicate|account|konto|bank|date|telephone|powered|thank|vielen|merci|"
    r"summary|details|payment terms|zahlungsbedingungen|invoice|rechnung|facture|factuur|fattura|factura|terms|notes?|"
    r"registered|sitz|amtsgericht|handelsregister|geschäftsführer|vorstand|description|quantity|total|subtotal)\b",
    re.IGNORECASE,
)
_STREET = re.compile(
    r"(?:stra(?:ß|ss)e|str\.|weg|allee|platz|gasse|laan|straat|plein)\s*\d|^\d+[\w/\-]*,?\s+[A-Za-z]|"
    r"^(?:rue|avenue|av\.|via|viale|piazza|calle|c/|plaza|avda|route|chemin|boulevard|bd|p\.?o\.? box|suite)\b|"
    r"\b(?:street|road|avenue|lane|drive|blvd|rd|ave|square)\b\.?,?(?:\s|$)",
    re.IGNORECASE,
)  # fmt: skip


_MAX_TEXT = 250  # a longer cell is prose
_SALUTATIONS = frozenset("herr herrn frau firma familie mr mrs ms madame monsieur m mme dhr mevr sig spett".split())
_COUNTRIES = frozenset(
    """
    germany deutschland allemagne alemania germania duitsland france frankreich francia frankrijk italy italien
    italia italie spain spanien espana espagne spagna spanje netherlands thenetherlands niederlande nederland
    paysbas paesibassi belgium belgien belgique belgie austria osterreich autriche oostenrijk switzerland schweiz
    suisse svizzera suiza unitedkingdom uk greatbritain england scotland wales ireland irland irlande irlanda
    unitedstates usa unitedstatesofamerica us canada australia newzealand india singapore hongkong china japan
    portugal poland polska polen luxembourg luxemburg denmark danmark sweden sverige norway norge finland suomi
    czechrepublic greece hungary
    """.split()
)


def compact(text: str) -> str:
    """Letters and digits only, folded: how names are compared."""
    return "".join(char for char in fold(text) if char.isalnum())


def is_place(text: str) -> bool:
    """Whether a line has a postcode with its town, or is a country."""
    return bool(_PLACE.search(text)) or compact(text) in _COUNTRIES


def is_address_part(text: str) -> bool:
    """Whether a line is a street, or a town with its postcode."""
    return is_place(text) or bool(_STREET.search(text))


def is_contact(text: str) -> bool:
    """Whether a line says how to reach somebody, or names a register."""
    return bool(_CONTACT.search(text))


def as_name(text: str) -> str | None:
    """The name that a cell begins with; None if it is an address, a label, a date, an amount, or words."""
    text = _PREFIX.sub("", text.strip(), count=1) if _PREFIX.match(text.strip()) else text.strip()
    if len(text) > _MAX_TEXT or fold(text).strip(".") in _SALUTATIONS:
        return None
    if is_place(text) and len(_CUT.findall(text)) < 2 and not LEGAL_FORM.search(text):
        return None
    name = _CUT.split(text, maxsplit=1)[0].strip(" ,;:-–")
    folded = fold(name)
    if (
        name in CURRENCIES
        or not 3 <= len(name) <= 70
        or not name[0].isalnum()
        or len(name.split()) > 8
        or text.endswith(":")
    ):
        return None
    if sum(char.isdigit() for char in name) > 3 or sum(char.isalpha() for char in name) < 3:
        return None
    if any(label.match(folded) for label in (NUMBER, ISSUED, DUE_DATE, SHIP_TO, TAX_ID)) or any(
        label.fullmatch(folded) for label in (TITLE, SELLER, BUYER)
    ):
        return None
    if (
        DATE.fullmatch(folded)
        or next(find_dates(name), None)
        or (_CONTACT.search(name) and "@" in name)
        or names_only(folded)
    ):
        return None
    if compact(name) in _COUNTRIES or (
        any(map(str.isdigit, name)) and len(name.split()) < 4 and not LEGAL_FORM.search(name)
    ):
        return None
    if ":" in name or (_NOT_NAMES.search(name) and not LEGAL_FORM.search(name)) or "http" in folded or "www." in folded:
        return None
    if (is_place(name) or _STREET.search(name)) and not LEGAL_FORM.search(name):
        return None
    return name
