"""A manifest of made-up documents, as a run with a model would have left it, or is about to: the same at every call.

For the page: its benchmark needs many documents, its pictures some that look like life. No name in it is anybody's.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from counterfoil.commit import State
from counterfoil.jsonfile import encode
from counterfoil.manifest import shard_key, shard_of

BEGUN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
_SELLERS = (
    ("Alder & Birch Timber Ltd.", "GBP", "GB"),
    ("Bäckerei Morgenrot GmbH", "EUR", "DE"),
    ("Cartotecnica Riva S.r.l.", "EUR", "IT"),
    ("Dunes Logistics B.V.", "EUR", "NL"),
    ("Electricité du Vallon SA", "EUR", "FR"),
    ("Fernweh Reisen AG", "CHF", "CH"),
    ("Granite Office Supply Inc.", "USD", "US"),
    ("Hilltop Water Company", "USD", "US"),
    ("Imprenta del Puerto S.L.", "EUR", "ES"),
    ("Kesselbau Nord GmbH & Co. KG", "EUR", "DE"),
)
_FINDINGS = (
    ("amounts.unconfirmed",),
    ("lines.sum",),
    ("model.not_on_page",),
    ("missing.invoice_number",),
    ("dates.due", "iban.invalid"),
    ("duplicate.invoice",),
    ("currency.assumed",),
)
_REASONS = (
    "no text layer, needs OCR",
    "the PDF is encrypted and needs a password",
    "{} pages are more than the limit of 200 (--max-pages)",
    "the model's answer did not fit the schema after 3 attempts",
    "the worker that read it took more than 1,024 MB of memory",
)
_WORKER = "host-{}-4711-5eed0{}"


def record(number: int, chance: random.Random, *, finished: bool, pace: float = 20.0) -> dict[str, Any]:
    """One document's record; document `number` was begun that many `pace`ths of a second after the first."""
    begun = BEGUN + timedelta(seconds=int(number / pace))
    worker = _WORKER.format(number % 3, number % 3)
    planned = {"at": _stamp(BEGUN), "event": "planned"}
    whole = {"status": "pending", "attempt": 0, "owner": None, "mark": f"{number}-1", "size": 40_000 + number}
    if not finished:
        return whole | {"history": [planned]}
    claimed = {"at": _stamp(begun), "event": "claimed", "by": worker, "attempt": 1, "asking": 1}
    kind = chance.random()
    spent = _spent(chance)
    name = f"{chance.getrandbits(256):064x}"
    end = _stamp(begun + timedelta(seconds=2 + int(3 * chance.random())))
    if kind < 0.03:
        reason = chance.choice(_REASONS).format(chance.randint(201, 900))
        last = {"at": end, "event": "failed", "by": worker, "attempt": 1, "reason": reason, **spent}
        return (
            whole
            | {"status": "failed", "owner": worker, "attempt": 1, "reason": reason, **spent}
            | {"history": [planned, claimed, last]}
        )
    status = "review" if kind < 0.15 else "done"
    last = {"at": end, "event": status, "by": worker, "attempt": 1, "input": name[:16], **spent}
    return whole | {
        "status": status,
        "owner": worker,
        "attempt": 1,
        "history": [planned, claimed, last],
        "input": name,
        "result": f"results/{name[:2]}/{name}.json",
        "result_sha256": f"{chance.getrandbits(256):064x}",
        "reader": "xml" if chance.random() < 0.2 else "model",
        "adopted": False,
        "findings": list(chance.choice(_FINDINGS)) if status == "review" else [],
        "summary": _summary(number, chance),
        **spent,
    }


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _spent(chance: random.Random) -> dict[str, Any]:
    tokens = (chance.randint(700, 2600), chance.randint(150, 420))
    cost = (Decimal(tokens[0]) * Decimal("0.4") + Decimal(tokens[1]) * Decimal("1.6")) / 1_000_000
    return {
        "calls": 1,
        "input_tokens": tokens[0],
        "output_tokens": tokens[1],
        "cost_usd": format(cost, "f"),
        "unknown_calls": 0,
    }


def _summary(number: int, chance: random.Random) -> dict[str, str]:
    seller, currency, country = chance.choice(_SELLERS)
    return {
        "invoice_number": f"{country}-{2026000000 + number}",
        "issue_date": (date(2025, 9, 1) + timedelta(days=chance.randint(0, 180))).isoformat(),
        "seller_name": seller,
        "currency": currency,
        "gross_total": f"{chance.lognormvariate(6, 1.4):.2f}",
    }


def name_of(number: int) -> str:
    return f"2026/{number % 12 + 1:02d}/invoice-{number:06d}.pdf"


def shard_bodies(documents: int, shards: int, *, finished: float = 1.0, seed: int = 7) -> Sequence[dict[str, Any]]:
    """The records of each shard, of which the first share (`finished`) has come to its end."""
    chance = random.Random(seed)
    made: list[dict[str, Any]] = [{} for _ in range(shards)]
    for number in range(documents):
        name = name_of(number)
        made[shard_of(name, shards)][name] = record(number, chance, finished=number < documents * finished)
    return made


def write_manifest(out: Path, documents: int, *, finished: float = 1.0, seed: int = 7) -> list[dict[str, Any]]:
    """An OUT in a folder with that many documents; returns the records of each shard. Results are not written."""
    shards = -(-documents // 128)
    made = list(shard_bodies(documents, shards, finished=finished, seed=seed))
    (out / "manifest").mkdir(parents=True)
    header = {"format": "counterfoil/1", "shards": shards, "created": _stamp(BEGUN), "source": str(out / "in")}
    (out / "manifest.json").write_bytes(encode(header))
    for shard, records in enumerate(made):
        (out / shard_key(shard)).write_bytes(body(records, 1))
    return made


def body(records: dict[str, Any], version: int) -> bytes:
    """A shard's file."""
    return State(version, {"host-1": {"n": version, "at": version}}, 0, records).body()
