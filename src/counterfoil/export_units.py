"""Units as invoices print them, as codes of UNECE Recommendation 20. A list, and nothing else.

`ZZ` (mutually defined) is the code for a unit that is not in the list; the printed word is then kept in a note.
"""

from __future__ import annotations

OTHER = "ZZ"
ONE, LUMP_SUM = "C62", "LS"
_NAMES = {
    "C62": "c62 st stk stck stück stücke stueck pc pcs piece pieces unit units ea each x pce pièce pièces pz pezzo "
    "pezzi nr stuk stuks ud uds unidad unidades un szt ks item items qty",
    "HUR": "hur h hr hrs hour hours std stunde stunden ora ore heure heures uur uren hora horas",
    "MIN": "min minute minutes minuten",
    "DAY": "day days tag tage d jour jours giorno giorni dag dagen día días dia dias",
    "WEE": "wee week weeks woche wochen semaine semaines settimana settimane weken semana semanas",
    "MON": "mon month months monat monate mois mese mesi maand maanden mes meses mo",
    "ANN": "ann year years jahr jahre an ans anno anni jaar año años",
    "KGM": "kgm kg kilo",
    "GRM": "grm g",
    "TNE": "tne t to tonne tonnen",
    "LTR": "ltr l liter litre litres",
    "MTR": "mtr m meter",
    "KMT": "kmt km",
    "MTK": "mtk m2 m² qm",
    "MTQ": "mtq m3 m³ cbm",
    "KWH": "kwh",
    "LS": "ls psch pauschal pauschale forfait lump",
}
CODES = {name: code for code, names in _NAMES.items() for name in names.split()}


def unit_code(printed: str | None) -> str:
    """The code of a printed unit. None printed: so many of one (C62)."""
    return ONE if printed is None else CODES.get(printed.strip().rstrip(".").lower(), OTHER)
