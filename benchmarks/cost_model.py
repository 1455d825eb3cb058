"""What a run asks of an object store, and what that costs: formulas, in one place, and the tables of docs/scale.md.

    python -m benchmarks cost-model

Nothing is measured here. The two figures that formulas can't give (how many shards a worker writes at a time, how many
bytes a record has) are those that `scale-sim` measures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from counterfoil.source import shards_for

PRICES_AS_OF = "November 2026"
ACTIVE_SHARDS = 1.5
"""That a worker writes at a time: the one it claims in, and often the one before."""
RECORD_BYTES = 820
CHANGES = 3
"""Of a document: claim, intent, finish. A commit carries one of them at least."""
LOOKS_A_SECOND = 1000
SURVEY_S, BEAT_S, LINGER_S, PAGE = 5.0, 10.0, 0.005, 1000


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars a million requests, list prices of the standard class in the cheapest large region."""

    write: Decimal
    listing: Decimal
    read: Decimal


PRICES: Mapping[str, Prices] = {
    "S3": Prices(Decimal("5.00"), Decimal("5.00"), Decimal("0.40")),
    "GCS": Prices(Decimal("5.00"), Decimal("5.00"), Decimal("0.40")),
    "Azure": Prices(Decimal("6.50"), Decimal("6.50"), Decimal("0.50")),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """`documents` by `workers`, each `calls` in flight of `latency` seconds, over `shards`; one write takes `put_s`
    seconds, and two of one shard are `gap_s` apart."""

    documents: int = 1_000_000
    workers: int = 256
    calls: int = 128
    latency: float = 5.0
    put_s: float = 0.06
    gap_s: float = 0.0
    puts_per_s: float = 3500.0

    @property
    def shards(self) -> int:
        return shards_for(self.documents)

    @property
    def seconds(self) -> float:
        """N L / (W C): how long the calls alone take."""
        return self.documents * self.latency / (self.workers * self.calls)

    @property
    def shard_writes(self) -> float:
        """One after another in each shard at work, W a T / (p + gap); never more than there are changes, nor than the
        service takes on one prefix: what it refuses makes the workers write less often, and more at a time."""
        most = self.workers * ACTIVE_SHARDS * self.seconds / (self.put_s + LINGER_S + self.gap_s)
        return min(most, CHANGES * self.documents, self.puts_per_s * self.seconds)

    @property
    def shard_bytes(self) -> float:
        """Of one shard PUT."""
        return RECORD_BYTES * self.documents / self.shards


@dataclass(frozen=True, slots=True)
class Requests:
    """Of one kind of work: writes, listings (pages) and reads."""

    write: float = 0.0
    listing: float = 0.0
    read: float = 0.0

    def __add__(self, other: Requests) -> Requests:
        return Requests(self.write + other.write, self.listing + other.listing, self.read + other.read)

    def cost(self, prices: Prices) -> Decimal:
        """US dollars."""
        paid = (self.write, prices.write), (self.listing, prices.listing), (self.read, prices.read)
        return sum((Decimal(round(count)) * price / 1_000_000 for count, price in paid), Decimal(0))


def requests(plan: Plan) -> Mapping[str, Requests]:
    """What a first run asks for, by purpose; the batch is planned once, as `--engine` does."""
    n, w, k, t = plan.documents, plan.workers, plan.shards, plan.seconds
    surveys = w * t / SURVEY_S
    pages = max(1.0, 1.5 * k / PAGE)  # the shards, and on average a seal beside every other one
    changed = min(LOOKS_A_SECOND * t, surveys * k) if w > 1 else 0.0
    return {
        "list the source, twice, and plan": Requests(k, 2 * n / PAGE),
        "fetch documents": Requests(read=n),
        "look for a result": Requests(read=n if w > 1 else 0),
        "store results": Requests(n),
        "duplicates": Requests(n),
        "claims, intents, finishes": Requests(plan.shard_writes),
        "surveys and seals": Requests(k, surveys * pages, changed),
        "heartbeats": Requests(w * t / BEAT_S, w * t / BEAT_S + surveys, w * min(w, 16)),
    }


def whole(plan: Plan) -> Requests:
    return sum(requests(plan).values(), Requests())


def by_purpose(plan: Plan) -> str:
    """The table of requests by purpose."""
    lines = ["| what | PUT | LIST | GET | S3 $ |", "|---|---|---|---|---|"]
    for what, asked in [*requests(plan).items(), ("**all**", whole(plan))]:
        cost = asked.cost(PRICES["S3"])
        lines.append(f"| {what} | {asked.write:,.0f} | {asked.listing:,.0f} | {asked.read:,.0f} | {cost:.2f} |")
    return "\n".join(lines)


def by_workers(workers: tuple[int, ...] = (1, 16, 64, 256)) -> str:
    """The table of time, cost and pace by the number of workers."""
    lines = [
        "| workers | calls alone | documents/s | shard PUT/s | results PUT/s | S3 $ | GCS $ | Azure $ |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for count in workers:
        plan, slow = Plan(workers=count), Plan(workers=count, gap_s=1.0)
        t = plan.seconds
        costs = [whole(slow if name == "GCS" else plan).cost(prices) for name, prices in PRICES.items()]
        lines.append(
            f"| {count} | {_time(t)} | {plan.documents / t:,.0f} | {plan.shard_writes / t:,.0f} | "
            f"{plan.documents / t:,.0f} | {' | '.join(f'{cost:.2f}' for cost in costs)} |"
        )
    return "\n".join(lines)


def by_documents(documents: tuple[int, ...] = (100, 2_000, 100_000, 1_000_000, 10_000_000)) -> str:
    """The table of shards: what a run of so many documents gets, and what one PUT weighs."""
    lines = ["| documents | shards | records a shard | KB a PUT | workers it is good for |", "|---|---|---|---|---|"]
    for count in documents:
        plan = Plan(documents=count)
        lines.append(
            f"| {count:,} | {plan.shards:,} | {count / plan.shards:,.0f} | {plan.shard_bytes / 1000:,.0f} | "
            f"{max(1, plan.shards // 8):,} |"
        )
    return "\n".join(lines)


def _time(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 7200 else f"{seconds / 60:.1f} min"


def tables() -> list[str]:
    """All that docs/scale.md shows, in its order."""
    return [by_purpose(Plan()), by_workers(), by_documents()]


def main(_arguments: Sequence[str] = ()) -> int:
    print("\n\n".join(tables()))
    return 0
