"""E-invoice XML in, an `Invoice` out: UBL 2.1, UN/CEFACT CII (Factur-X, ZUGFeRD, XRechnung) and FatturaPA.

Promises: every field that the XML has, exactly as it stands there, and None for what it doesn't say. A file that is
hostile, broken or something else ends in an `InputError` of one sentence. Never reads a file or the network, never
expands an entity, never repairs a value.
"""

from __future__ import annotations

import re

from .document import Limits
from .einvoice_cii import is_cii, read_cii
from .einvoice_fatturapa import is_fatturapa, read_fatturapa
from .einvoice_node import read_tree
from .einvoice_paths import paths_of
from .einvoice_ubl import is_ubl, read_ubl
from .errors import InputError
from .invoice import Invoice

_INVOICES = re.compile(
    r"(?<![a-z])(?:factur-?x|zugferd|xrechnung|ubl|cii|cross-?industry-?invoice|fatturapa|e-?invoice)(?![a-z])"
)
_READ_TWICE = 2_000_000
_ORDERS = re.compile(r"(?<![a-z])orders?(?![a-z])")


def parse_einvoice(data: bytes, limits: Limits) -> tuple[Invoice, str]:
    """The invoice in `data`, and the profile it states (or a format's name: "UBL 2.1", "CII", "FatturaPA").

    Raises `InputError` if it is not well-formed XML, passes one of `limits`, is no e-invoice of a known format, or has
    an amount or a date that can't be read for certain.
    """
    root = read_tree(data, limits)
    if is_ubl(root):
        return read_ubl(root)
    if is_cii(root):
        return read_cii(root)
    if is_fatturapa(root):
        return read_fatturapa(root)
    name = f"{{{root.namespace}}}{root.name}" if root.namespace else root.name
    raise InputError(f"not an e-invoice: root element is {name[:200]}")


def paths_in(data: bytes, invoice: Invoice, limits: Limits) -> dict[str, str]:
    """Where in `data` each field of its `invoice` stands; nothing for a file that is too large to be read twice."""
    return paths_of(read_tree(data, limits), invoice) if len(data) <= _READ_TWICE else {}


def is_einvoice_name(name: str) -> bool:
    """Whether an attachment's name is one that e-invoices have in PDFs: factur-x.xml, ZUGFeRD-invoice.xml, ...

    An order (order-x.xml) is not an invoice.
    """
    base = name.replace("\\", "/").rpartition("/")[2].strip().lower()
    stem = base.removesuffix(".xml")
    return stem != base and bool(_INVOICES.search(stem)) and not _ORDERS.search(stem)
