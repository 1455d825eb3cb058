"""Who sells and who buys: by label, by address block, by letterhead and foot. A name that nothing supports is None."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce

from .dates import find_dates, fold
from .document import Word
from .layout import join
from .rules_ids import TaxId
from .rules_names import LEGAL_FORM, as_name, compact, is_address_part, is_contact, is_place
from .rules_sheet import Line, Sheet, Spot, below, is_label, overlap, spots
from .rules_words import BUYER, DATE, DUE_DATE, ISSUED, NAME, NUMBER, SELLER, SHIP_TO, TAX_ID, WEAK_SELLER

_LABELS = (BUYER, SELLER, SHIP_TO, NAME, NUMBER, ISSUED, DATE, DUE_DATE, TAX_ID)
_ENDS = re.compile(r"[\s/]*(?::|$|\(|/)")
_ASIDE = re.compile(r"^[^()]*\)\s*:?\s*|^\([^)]*\)\s*:?\s*")
_DOMAIN = re.compile(r"(?:@|www\.|https?://(?:www\.)?)([a-z0-9\-]+(?:\.[a-z0-9\-]+)*)\.[a-z]{2,}", re.IGNORECASE)
_FREE_MAIL = frozenset(("gmail", "outlook", "hotmail", "yahoo", "gmx", "web", "icloud", "tonline", "example", "mail"))
_SECTION = 14
"""Lines that a party's section may run below its label."""


@dataclass(frozen=True, slots=True)
class Block:
    """Lines of text set flush left below each other, as an address is."""

    cells: tuple[Word, ...]
    lines: tuple[Line, ...]

    @property
    def is_address(self) -> bool:
        return len(self.cells) > 1 and any(is_place(cell.text) for cell in self.cells[1:])

    @property
    def is_contact(self) -> bool:
        return any(is_contact(cell.text) for cell in self.cells)


@dataclass(frozen=True, slots=True)
class Parties:
    """The names, and the tax ids that go with them."""

    seller: str | None
    seller_id: str | None
    buyer: str | None
    buyer_id: str | None


def read_parties(sheet: Sheet, ids: list[TaxId]) -> Parties:
    """Both parties of the document."""
    blocks = list(blocks_of(sheet))
    buyer = _labelled(sheet, BUYER) or _addressee(sheet, blocks)
    seller = _seller(sheet, blocks, buyer)
    owned: dict[str, list[TaxId]] = {"buyer": [], "seller": []}
    for tax_id in ids:
        owned["buyer" if tax_id.yours or _section(sheet, tax_id) == "buyer" else "seller"].append(tax_id)
    return Parties(seller, _best_id(owned["seller"]), buyer, _best_id(owned["buyer"]))


def _best_id(ids: list[TaxId]) -> str | None:
    """A VAT id before a mere tax number; of several, the first."""
    ranked = sorted(ids, key=lambda tax_id: not tax_id.vat)
    return ranked[0].text if ranked else None


def _section(sheet: Sheet, tax_id: TaxId) -> str | None:
    """Whose label stands above an id, nearest first, in its own column."""
    for line in reversed(sheet.lines[max(0, tax_id.line.index - _SECTION) : tax_id.line.index + 1]):
        if line.page != tax_id.line.page:
            return None
        heads = [
            (cell, party)
            for cell, folded in zip(line.cells, line.folded, strict=True)
            for party, label in (("ship", SHIP_TO), ("buyer", BUYER), ("seller", SELLER))
            if _heads(label, folded) and -60 <= tax_id.box.x0 - cell.x0 < 0.45 * sheet.width
        ]
        if heads:
            return min(heads, key=lambda head: abs(tax_id.box.x0 - head[0].x0))[1]
    return None


def _heads(label: re.Pattern[str], folded: str) -> bool:
    """Whether a cell begins with this label, and the label is all, or ends in a colon."""
    match = label.match(folded)
    return bool(match and _ENDS.match(folded, match.end()))


def blocks_of(sheet: Sheet) -> Iterator[Block]:
    """Cells stacked flush left without a gap, from the top of the first page down: parties are named there."""
    blocks: list[tuple[list[Word], list[Line]]] = []
    near = blocks
    for line in (line for line in sheet.lines if line.page == 1):
        near = [block for block in near if line.y0 - block[1][-1].y1 < 4 * line.height]
        for cell in line.cells:
            for cells, lines in near:
                flush = abs(cells[-1].x0 - cell.x0) < 4
                if flush and lines[-1].index < line.index and _follows(cells[-1], cell):
                    cells.append(cell)
                    lines.append(line)
                    break
            else:
                blocks.append(([cell], [line]))
                near.append(blocks[-1])
    for cells, lines in blocks:
        yield Block(tuple(cells), tuple(lines))


def _follows(above: Word, cell: Word) -> bool:
    """Whether a cell goes on an address: right below, or after the blank line that custom puts before the town."""
    gap = (cell.y0 - above.y1) / max(cell.y1 - cell.y0, 1.0)
    return gap < 0.9 or (gap < 2.5 and is_address_part(cell.text))


def _labelled(sheet: Sheet, label: re.Pattern[str]) -> str | None:
    """The name that a label announces: in a "Name:" row of its section, after it, below it, right of it."""
    for spot in spots(sheet, label, at_start=True):
        if not _ENDS.match(spot.line.folded[spot.cell], spot.end):
            continue
        for text in _named(sheet, spot):
            name = as_name(text)
            if name:
                return name
    return None


def _named(sheet: Sheet, spot: Spot) -> Iterator[str]:
    yield from _name_row(sheet, spot)
    rest = _ASIDE.sub("", spot.rest)
    if rest and not _is_label(rest):
        yield rest
        return
    under = [
        cell
        for line, cell in below(sheet, spot.box, spot.line, reach=3.0)
        if abs(cell.x0 - spot.box.x0) < 40 and not _names_a_value(line, cell)
    ]
    under = under[: next((n for n, cell in enumerate(under) if _is_label(cell.text)), len(under))]
    firm = next((cell for cell in under[:3] if LEGAL_FORM.search(cell.text)), None)
    right = next(iter(spot.line.cells[spot.cell + 1 :]), None)
    if right is not None and not _is_label(right.text) and right.x0 - spot.box.x1 < 0.3 * sheet.width and not under:
        yield right.text
    if firm is not None:
        yield firm.text
    yield from (cell.text for cell in under)
    if right is not None and not _is_label(right.text):
        yield right.text


def _names_a_value(line: Line, cell: Word) -> bool:
    """Whether a cell is the label in a form whose colons stand in a column of their own: "Number    : 17"."""
    after = line.cells.index(cell) + 1
    return after < len(line.cells) and line.cells[after].text.startswith(":")


def _name_row(sheet: Sheet, spot: Spot) -> Iterator[str]:
    """A "Name:" in the section below a label that heads it."""
    for line in sheet.lines[spot.line.index + 1 : spot.line.index + 6]:
        if line.page != spot.line.page:
            return
        for number, folded in enumerate(line.folded):
            match = NAME.match(folded)
            if (
                abs(line.cells[number].x0 - spot.box.x0) < 40
                and match
                and folded[match.end() :].strip()[:1] in ("", ":")
            ):
                rest = Spot(line, number, 0, match.end()).rest
                yield rest or (line.cells[number + 1].text if number + 1 < len(line.cells) else "")


def _is_label(text: str) -> bool:
    return is_label(text, _LABELS) or any(_heads(label, fold(text)) for label in (BUYER, SELLER, SHIP_TO))


def _addressee(sheet: Sheet, blocks: list[Block]) -> str | None:
    """The first address on the first page that is neither the seller's, by its phone or mail, nor a delivery's."""
    after_sender = sorted(blocks, key=lambda block: not _sender_line(block.cells[0].text))
    head = 0.1 * sheet.page_height  # what stands so high is rather a letterhead
    for block in sorted(map(_without_sender, after_sender), key=lambda block: block.lines[0].y0 < head):
        line = block.lines[0]
        if line.page != 1 or line.y0 > 0.45 * sheet.page_height or not block.is_address or block.is_contact:
            continue
        if any(_heads(SHIP_TO, fold(cell.text)) for cell in block.cells) or _heads(SELLER, fold(block.cells[0].text)):
            continue
        if _repeated(sheet, blocks, block.cells[0].text):
            continue
        names = [as_name(cell.text) for cell in block.cells[:3]]
        firm = next((name for name in names if name and LEGAL_FORM.search(name)), None)
        name = firm or names[0] or names[1]
        if name:
            return name
    return None


def _without_sender(block: Block) -> Block:
    """An address without the sender's line that stands over it in the window of an envelope."""
    sent = len(block.cells) > 2 and _sender_line(block.cells[0].text)
    return Block(block.cells[1:], block.lines[1:]) if sent else block


def _repeated(sheet: Sheet, blocks: list[Block], text: str) -> bool:
    """Whether a name stands in the foot of a page too, or in a domain: then it is the seller's."""
    name = as_name(text)
    if not name:
        return False
    first = [line for line in sheet.lines if line.page == 1]
    foot = (line.text for line in first if line.y0 > 0.8 * sheet.page_height)
    senders = (cell.text for line in first for cell in line.cells if _sender_line(cell.text))
    return any(compact(name) in compact(other) for other in (*foot, *senders)) or _in_domain(blocks, name)


def _in_domain(blocks: list[Block], name: str) -> bool:
    """Whether the name is in a mail or web address that is not part of the buyer's or a delivery's address."""
    bare = compact(LEGAL_FORM.sub("", name))
    for match in (match for cell in _own_cells(blocks) for match in _DOMAIN.finditer(cell.text)):
        host = compact(match[1])
        alike = (bare in host and 4 * len(bare) >= 3 * len(host)) or host in bare
        if len(host) > 3 and host not in _FREE_MAIL and len(bare) > 3 and alike:
            return True
    return False


def _own_cells(blocks: list[Block]) -> Iterator[Word]:
    """Every cell but those of the buyer's and the delivery's address, and what stands right below them."""
    taken = [
        reduce(join, b.cells) for b in blocks if any(_heads(lab, fold(b.cells[0].text)) for lab in (BUYER, SHIP_TO))
    ]
    for cell in (cell for block in blocks for cell in block.cells):
        reach = 3 * (cell.y1 - cell.y0)
        if not any(overlap(cell, box) > 0 and box.y0 <= cell.y0 < box.y1 + reach for box in taken):
            yield cell


def _seller(sheet: Sheet, blocks: list[Block], buyer: str | None) -> str | None:
    """The name that most speaks for: labels, letterhead, foot, legal form, domain, being printed again and again."""
    strong = next((name for name in _strong(sheet) if compact(name) != compact(buyer or "")), None)
    if strong:
        return strong
    scores: dict[str, float] = {}
    names: dict[str, str] = {}
    whole = compact(sheet.text)
    for name, score in _candidates(sheet, blocks):
        key = compact(LEGAL_FORM.sub("", name)) or compact(name)
        if buyer and (key in compact(buyer) or compact(buyer) in key):
            continue
        names[key] = max(names.get(key, name), name, key=lambda n: (bool(LEGAL_FORM.search(n)), -len(n)))
        scores[key] = scores.get(key, 0) + score
    for key, name in names.items():
        scores[key] += (
            2 * min(whole.count(key) - 1, 3) + 3 * bool(LEGAL_FORM.search(name)) + 4 * _in_domain(blocks, name)
        )
    best = max(scores, key=lambda key: scores[key], default=None)
    return names[best] if best and scores[best] >= 3 else None


def _strong(sheet: Sheet) -> Iterator[str]:
    for spot in spots(sheet, SELLER, at_start=True):
        folded = spot.line.folded[spot.cell]
        if _ENDS.match(folded, spot.end) and not WEAK_SELLER.fullmatch(folded[: spot.end]):
            for text in _named(sheet, spot):
                name = as_name(text)
                if name:
                    yield name
                    break


def _candidates(sheet: Sheet, blocks: list[Block]) -> Iterator[tuple[str, float]]:
    yield from ((name, 2) for spot in spots(sheet, WEAK_SELLER) for name in _after(sheet, spot))
    own = set(_own_cells(blocks))
    first = [line for line in sheet.lines if line.page == 1]
    sizes = sorted(line.height for line in first)
    usual = sizes[len(sizes) // 2] if sizes else 1.0
    for line in first:
        top, foot = line.y0 < 0.25 * sheet.page_height, line.y0 > 0.8 * sheet.page_height
        for number, cell in enumerate(line.cells):
            name = as_name(cell.text) if cell in own else None
            labelled = number and _is_label(line.cells[number - 1].text)
            if not name or labelled or not (top or foot or LEGAL_FORM.search(name)):
                continue
            large = top and cell.y1 - cell.y0 > 1.25 * usual
            yield (
                name,
                (1.0 if top else 0.5 if foot else 0.0) + 2 * large + (line.index == 0) + 3 * _sender_line(cell.text),
            )
    for block in blocks:
        name = as_name(block.cells[0].text)
        if name and block.is_contact and block.lines[0].page == 1:
            yield name, 2.0 + block.is_address
        elif name and block.is_address and block.lines[0].page == 1 and block.lines[0].y0 < 0.15 * sheet.page_height:
            yield name, 1.5


def _after(sheet: Sheet, spot: Spot) -> Iterator[str]:
    if _ENDS.match(spot.line.folded[spot.cell], spot.end):
        name = next(filter(None, map(as_name, _named(sheet, spot))), None)
        if name:
            yield name


def _sender_line(text: str) -> bool:
    """An address in one line with marks between its parts, as in the window of an envelope."""
    parts = re.split(r"\s[-–|*/]\s|[·•●|▪]|,\s", text)
    return len(parts) > 2 and any(char.isdigit() for char in text) and not list(find_dates(text))
