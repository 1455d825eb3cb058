"""Totals by their labels, confirmed by arithmetic: net + tax = gross. What contradicts itself stays None.

A wrong total is worse than none: a gross total is taken only where the arithmetic of the document bears it out, or
where nothing else on the document could be it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import product

from .rules_figures import Figure

_CENT = Decimal("0.01")
_ZERO = Decimal(0)
_NOT_PARTS = ("due", "previous", "tendered", "change", "unnamed")
"""What may well be greater than the total."""


TaxRow = tuple[Decimal, Decimal, Decimal]
"""Rate in percent, base, tax."""


@dataclass(slots=True)
class Totals:
    """What the totals say. `tax_lines` are (rate, base, tax) rows whose arithmetic holds."""

    line_total: Decimal | None = None
    allowance: Decimal | None = None
    charge: Decimal | None = None
    net: Decimal | None = None
    tax: Decimal | None = None
    gross: Decimal | None = None
    prepaid: Decimal | None = None
    rounding: Decimal | None = None
    due: Decimal | None = None
    tax_lines: list[TaxRow] = field(default_factory=list[TaxRow])


@dataclass(frozen=True, slots=True)
class _Choice:
    weight: int
    net: Decimal
    tax: Decimal | None
    gross: Decimal


def resolve(figures: Sequence[Figure], tax_lines: list[TaxRow], line_sum: Decimal | None) -> Totals:
    """The totals that labelled figures, the tax breakdown and the sum of the lines agree on."""
    totals = Totals(tax_lines=tax_lines)
    choice = _choose(figures, tax_lines, line_sum)
    if choice:
        totals.net, totals.tax, totals.gross = choice.net, choice.tax, choice.gross
    else:
        _without_proof(totals, figures, line_sum)
        if totals.net is None and totals.tax == 0:
            totals.net = totals.gross  # a printed tax of nothing makes them the same
    totals.line_total = _line_total(figures, line_sum)
    totals.allowance = _single(figures, "allowance", positive=True)
    totals.charge = _single(figures, "charge", positive=True)
    totals.prepaid = _single(figures, "prepaid", positive=True)
    totals.rounding = _single(figures, "rounding")
    totals.due = _due(figures, totals)
    if totals.prepaid and any(figure.kind == "previous" for figure in figures):
        totals.prepaid = None  # it may have paid what was owed before
    return totals


def _choose(figures: Sequence[Figure], tax_lines: list[TaxRow], line_sum: Decimal | None) -> _Choice | None:
    """The best-labelled triple net + tax = gross; None if the best ones disagree, or a greater total is printed."""
    choices = sorted(_choices(figures, tax_lines, line_sum), key=lambda choice: -choice.weight)
    if not choices:
        return None
    best = choices[0]
    gross = {choice.gross for choice in choices if choice.weight == best.weight}
    if len(gross) > 1:
        top = max(gross, key=abs)
        best = next(choice for choice in choices if choice.gross == top)
    greater = [f for f in figures if f.kind in ("gross", "total") and abs(f.value) > abs(best.gross) + _CENT]
    return None if greater else best


def _choices(figures: Sequence[Figure], tax_lines: list[TaxRow], line_sum: Decimal | None) -> Iterator[_Choice]:
    gross = _weighed(figures, {"gross": 6, "total": 4, "unnamed": 1})
    due = _weighed(figures, {"due": 2})
    settled = any(figure.kind in ("previous", "prepaid") for figure in figures)
    gross = _merged(gross, due)
    nets = _nets(figures, line_sum)
    if tax_lines:
        nets = _merged(nets, {sum((base for _, base, _ in tax_lines), _ZERO): 3})
    taxes = _taxes(figures, tax_lines)
    for figure in figures:
        if (
            figure.kind in ("gross", "total")
            and sum(figure.others[-2:], _ZERO) == figure.value
            and len(figure.others) > 1
        ):
            yield _Choice(24, figure.others[-2], figure.others[-1], figure.value)  # net, tax and gross in one row
    rounding = _single(figures, "rounding") or _ZERO
    for (g, wg), (n, wn) in product(gross.items(), nets.items()):
        for t, wt in taxes.items():
            if min(abs(n + t - g), abs(n + t + rounding - g)) <= _CENT and (
                t or (g == n and not (settled and wg == due.get(g)))
            ):
                yield _Choice(2 * (wg + wn + wt) + (n + t == g), n, t, g)
        if g == n and wg > 1 and not any(taxes) and not (settled and wg == due.get(g)):
            yield _Choice(2 * (wg + wn), n, None, g)


def _nets(figures: Sequence[Figure], line_sum: Decimal | None) -> dict[Decimal, int]:
    """What may be the total without tax, and how well each is labelled; allowances and charges applied."""
    nets = _weighed(figures, {"net": 6, "subtotal": 4})
    if line_sum is not None:
        nets = _merged(nets, {line_sum: 3})
    changes = _changes(figures)
    changed = {base + change: weight - 1 for base, weight in nets.items() for change in changes if change}
    return _merged(nets, changed)


def _changes(figures: Sequence[Figure]) -> set[Decimal]:
    allowances = {abs(figure.value) for figure in figures if figure.kind == "allowance"}
    charges = {abs(figure.value) for figure in figures if figure.kind == "charge"}
    everything = sum(charges, _ZERO) - sum(allowances, _ZERO)
    return {everything, *charges, *(-amount for amount in allowances)}


def _taxes(figures: Sequence[Figure], tax_lines: list[TaxRow]) -> dict[Decimal, int]:
    printed = [figure for figure in figures if figure.kind == "tax"]
    taxes = _weighed(printed, {"tax": 4})
    for figure in printed:
        taxes = _merged(taxes, dict.fromkeys(figure.others, 1))
    rated = {figure.line: figure.value for figure in printed}
    if len(rated) > 1:
        taxes = _merged(taxes, {sum(rated.values(), _ZERO): 3})
        taxes = _merged(taxes, {sum(set(rated.values()), _ZERO): 2})
    if tax_lines:
        taxes = _merged(taxes, {sum((tax for _, _, tax in tax_lines), _ZERO): 4})
    return taxes


def _without_proof(totals: Totals, figures: Sequence[Figure], line_sum: Decimal | None) -> None:
    """Totals that no arithmetic confirms: only what is labelled beyond doubt and contradicted by nothing."""
    nets, taxes = _values(figures, ("net",)), _values(figures, ("tax",))
    adjusted = any(figure.kind in ("allowance", "charge") and figure.value for figure in figures)
    totals.net = nets[0] if len(nets) == 1 and not adjusted else None
    rated = sum((tax for _, _, tax in totals.tax_lines), _ZERO)
    totals.tax = taxes[0] if len(taxes) == 1 and (not totals.tax_lines or rated == taxes[0]) else None
    strong, bare = _values(figures, ("gross",)), _values(figures, ("total",))
    candidates = strong or bare
    if (paid := _cash_kept(figures)) in (*strong, *bare):
        totals.gross = paid
        return
    if len(candidates) != 1:
        return
    value = candidates[0]
    if not value and value not in nets and line_sum != value:
        return  # that nothing is to be paid needs a proof
    if any(abs(figure.value) > abs(value) + _CENT for figure in figures if figure.kind not in _NOT_PARTS):
        return
    contradicted = totals.net is not None and totals.tax is not None and abs(totals.net + totals.tax - value) > _CENT
    known = [*_values(figures, ("due",)), line_sum]
    taxed = any(_explains(figure, value) for figure in figures)
    alone = not nets and not taxes and line_sum is None
    if not contradicted and (strong or value in known or taxed or alone):
        totals.gross = value


def _cash_kept(figures: Sequence[Figure]) -> Decimal | None:
    """What was paid in cash, as receipts show it: what was tendered less the change."""
    tendered, change = _single(figures, "tendered"), _single(figures, "change", positive=True)
    return tendered - change if tendered and change is not None else None


def _explains(figure: Figure, gross: Decimal) -> bool:
    """Whether a tax is what its printed rate makes of this total, the tax included."""
    if figure.kind != "tax" or not figure.rate or not figure.value:
        return False
    return abs((gross - figure.value) * figure.rate / 100 - figure.value) <= _CENT


def _due(figures: Sequence[Figure], totals: Totals) -> Decimal | None:
    """What is labelled so; where the page speaks of no payment, balance or rounding, the whole total (BT-115)."""
    values = _values(figures, ("due",))
    if not values:
        settled = any(figure.kind in ("previous", "prepaid", "rounding") for figure in figures)
        return None if settled else totals.gross
    if len(values) == 1:
        return values[0]
    if totals.gross is not None and totals.prepaid is not None:
        left = totals.gross - totals.prepaid
        return left if left in values else None
    return None


def _line_total(figures: Sequence[Figure], line_sum: Decimal | None) -> Decimal | None:
    values = _values(figures, ("subtotal",))
    if line_sum is not None and line_sum in values:
        return line_sum
    return values[0] if len(values) == 1 else None


def _single(figures: Sequence[Figure], kind: str, *, positive: bool = False) -> Decimal | None:
    values = {abs(value) if positive else value for value in _values(figures, (kind,))}
    return values.pop() if len(values) == 1 else None


def _values(figures: Iterable[Figure], kinds: tuple[str, ...]) -> list[Decimal]:
    return list(dict.fromkeys(figure.value for figure in figures if figure.kind in kinds))


def _weighed(figures: Iterable[Figure], weights: dict[str, int]) -> dict[Decimal, int]:
    found: dict[Decimal, int] = {}
    for figure in figures:
        if figure.kind in weights:
            found[figure.value] = max(found.get(figure.value, 0), weights[figure.kind])
    return found


def _merged(one: dict[Decimal, int], other: dict[Decimal, int]) -> dict[Decimal, int]:
    """Both, each value with its greater weight; the first spelling of a value is kept."""
    merged = dict(one)
    for value, weight in other.items():
        merged[value] = max(merged.get(value, 0), weight)
    return merged
