"""Invoice lines by the headers of their columns, with descriptions that run over several rows and pages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from .amounts import DecimalMark, find_amounts
from .document import Word
from .invoice import LineItem
from .layout import join
from .rules_columns import Column, Header, header_at
from .rules_figures import kind_of, names_only
from .rules_sheet import Line, Sheet, overlap

_PERCENT = re.compile(r"(-?\d{1,3}(?:[.,]\d+)?)\s?%")
_BARE_RATE = re.compile(r"\d{1,2}(?:[.,]\d{1,2})?")
_POSITION = re.compile(r"#?\d{1,4}(?:[.\-]\d{1,4})*[.)]?")
_LETTER = re.compile(r"[^\W\d_]")
_FIGURES = ("qty", "price", "amount", "gross")
_CLOSING = frozenset(("net", "tax", "gross", "total", "due"))
_MAX_DESCRIPTION = 400


@dataclass(slots=True)
class _Row:
    """The cells of one item so far, by column kind, and the line that it ends at."""

    cells: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    last: Line | None = None

    def text(self, kind: str) -> str:
        return " ".join(self.cells.get(kind, ()))


def read_lines(sheet: Sheet, mark: DecimalMark | None) -> list[LineItem]:
    """Every item of the invoice's table, in order; an empty list where no table is recognised."""
    rows: list[_Row] = []
    header: Header | None = None
    first: Header | None = None
    closed = False
    skip = -1
    for line in sheet.lines:
        found = header_at(sheet, line.index) if line.index > skip else None
        if found:
            if first is None or found.kinds == first.kinds:
                first, header, closed, skip = first or found, found, False, found.last
            elif len(found.kinds) > 2:
                closed = True
        if header is None or line.index <= max(skip, header.last) or closed:
            continue
        closed = _take(rows, header, line, mark)
    return [item for row in rows if (item := _item(row, mark))]


def _take(rows: list[_Row], header: Header, line: Line, mark: DecimalMark | None) -> bool:
    """Adds a line of the table to the rows; True if the table ends here."""
    cells = _placed(header, line)
    numbers = {kind for kind in _FIGURES if kind in cells and _has_amount(cells[kind], mark)}
    labels = {kind: folded for folded in line.folded if (kind := kind_of(folded))}
    if labels.keys() & _CLOSING and _is_total(line, mark):
        return bool(rows)
    priced = numbers & {"qty", "price"} and numbers & {"amount", "gross"}
    if labels and numbers and not priced and not cells.keys() & {"pos", "date"}:
        return bool(labels.keys() & _CLOSING)
    if labels.keys() & {"allowance", "charge"} and header.has("qty") and "qty" not in cells:
        return False
    if not numbers:
        _continue(rows, cells, line)
        return False
    current = rows[-1] if rows else None
    if current and _completes(current, numbers | (cells.keys() & {"pos"}), line):
        row = current
    else:
        row = _Row()
        rows.append(row)
    _add(row, cells, line)
    return False


def _is_total(line: Line, mark: DecimalMark | None) -> bool:
    """Whether a line has nothing but the name of a total, and amounts, if any figure at all."""
    amounts = [_has_amount(cell.text, mark) for cell in line.cells]
    names = [names_only(folded) and bool(kind_of(folded)) for folded in line.folded]
    if any(map(str.isdigit, line.text)) and not any(amounts):
        return False
    return any(names) and all(name or amount for name, amount in zip(names, amounts, strict=True))


def _completes(row: _Row, kinds: set[str], line: Line) -> bool:
    """Whether these figures are further ones of the same item, set half a line lower."""
    near = row.last is not None and row.last.page == line.page and line.y0 - row.last.y1 < 0.8 * line.height
    return near and not any(row.cells.get(kind) for kind in kinds)


def _continue(rows: list[_Row], cells: dict[str, str], line: Line) -> None:
    """A row without figures: more of the description of the item above, if it stands close to it."""
    last = rows[-1].last if rows else None
    if not rows or last is None or last.page != line.page or line.y0 - last.y1 > 0.9 * line.height:
        return
    if set(cells) <= {"desc", "pos", "code", "unit"} and len(rows[-1].text("desc")) < _MAX_DESCRIPTION:
        _add(rows[-1], {kind: text for kind, text in cells.items() if kind != "unit"}, line)


def _add(row: _Row, cells: dict[str, str], line: Line) -> None:
    for kind, text in cells.items():
        row.cells.setdefault(kind, []).append(text)
    row.last = line


def _placed(header: Header, line: Line) -> dict[str, str]:
    """A line's cells by column kind."""
    placed: dict[str, str] = {}
    for piece in _pieces(header, line):
        column = _column_of(header, piece)
        kind = column.kind
        if kind in ("pos", "code") and not _POSITION.fullmatch(piece.text) and header.has("desc"):
            kind = "desc" if kind == "pos" else kind
        placed[kind] = f"{placed[kind]} {piece.text}" if kind in placed else piece.text
    position = re.match(r"(\d{1,3}\.?)\s+(?=\S)", placed.get("desc", ""))
    if position and header.has("pos") and "pos" not in placed:
        placed["pos"] = position.group(1)
        placed["desc"] = placed["desc"][position.end() :]
    return placed


def _pieces(header: Header, line: Line) -> list[Word]:
    """Cells, split where a number stands under another column than the text that it was joined with."""
    pieces: list[Word] = []
    for cell in line.cells:
        words = [word for word in line.words if word.x0 >= cell.x0 - 0.01 and word.x1 <= cell.x1 + 0.01]
        previous: Column | None = None
        for number, word in enumerate(words):
            under = _under(header, word)
            if number and not (under and previous is not under and _parts(words[number - 1], word)):
                pieces[-1] = join(pieces[-1], word)
            else:
                pieces.append(word)
                previous = under
    return pieces


def _parts(left: Word, right: Word) -> bool:
    """Whether two neighbours may be in two columns: where a number and something else meet, or two numbers."""
    return any(char.isdigit() for char in right.text) or any(char.isdigit() for char in left.text)


def _under(header: Header, word: Word) -> Column | None:
    middle = (word.x0 + word.x1) / 2
    return next((column for column in header.columns if column.box.x0 - 2 <= middle <= column.box.x1 + 2), None)


def _column_of(header: Header, piece: Word) -> Column:
    """The column whose header overlaps most, else begins where the piece begins, else is the nearest."""
    textual = len(_LETTER.findall(piece.text)) > 4
    for column in header.columns:
        if textual and column.kind == "desc" and abs(column.box.x0 - piece.x0) < 6:
            return column
    return max(header.columns, key=lambda column: _fit(column, piece, textual))


def _fit(column: Column, piece: Word, textual: bool) -> float:
    shared = overlap(column.box, piece)
    if textual and column.kind in _FIGURES and shared < 0:
        shared *= 3  # words are rather a long description than a figure beside its column
    return shared


def _has_amount(text: str, mark: DecimalMark | None) -> bool:
    return next(find_amounts(text, decimal_hint=mark), None) is not None


def _amount(text: str, mark: DecimalMark | None, *, last: bool = False) -> Decimal | None:
    found = [found.value for found in find_amounts(text, decimal_hint=mark)]
    return (found[-1] if last else found[0]) if found else None


def _item(row: _Row, mark: DecimalMark | None) -> LineItem | None:
    """The line item, or None where the row says too little to be one."""
    net = _amount(row.text("amount"), mark, last=True)
    if net is None:
        net = _amount(row.text("gross"), mark, last=True)
    price = _amount(row.text("price"), mark)
    quantity = _amount(row.text("qty"), mark)
    description = row.text("desc") or row.text("code")
    if (net is None and (price is None or quantity is None)) or not _LETTER.search(description):
        return None
    return LineItem(
        line_id=row.text("pos") or None,
        description=description,
        quantity=quantity,
        unit=_unit(row),
        unit_price=price,
        net_amount=net,
        tax_rate=_rate(row),
    )


def _unit(row: _Row) -> str | None:
    words: Sequence[str] = (row.text("unit") or row.text("qty")).split()
    named = [word for word in words if _LETTER.search(word)]
    return " ".join(named) or None


def _rate(row: _Row) -> Decimal | None:
    text = row.text("rate")
    match = _PERCENT.search(text)
    if match:
        return Decimal(match[1].replace(",", "."))
    return Decimal(text.replace(",", ".")) if _BARE_RATE.fullmatch(text) else None
