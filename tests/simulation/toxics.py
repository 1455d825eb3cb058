"""What can go wrong between a process and a store or a model, drawn from the seed.

Each run has its own climate: which troubles there are at all, and how often. A climate of few troubles finds what one
of all troubles hides.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

STORE = ("unsent", "lost", "late", "lied", "refused", "busy", "broken", "slow")
"""unsent: never sent. lost: applied, no reply. late: no reply, applied later. lied: applied, but answered with 412.
refused: 409, not applied. busy: 429 or 503. broken: 500, applied or not. slow: it takes its time there and back."""

MODEL = ("slow", "limited", "broken", "garbage", "hang", "declined")
_CONDITIONAL = frozenset({"put_new", "put_if"})


@dataclass(slots=True)
class Climate:
    """The troubles of one run, until `ends` (virtual seconds); after that there are none."""

    chance: random.Random
    ends: float
    store_rate: float
    store_kinds: tuple[str, ...]
    model_rate: float
    model_kinds: tuple[str, ...]
    latency: float

    @classmethod
    def drawn(cls, chance: random.Random, ends: float) -> Climate:
        return cls(
            chance,
            ends,
            chance.choice((0.0, 0.03, 0.1, 0.3)),
            _some(chance, STORE),
            chance.choice((0.0, 0.05, 0.3)),
            _some(chance, MODEL),
            chance.choice((0.01, 0.06, 0.5)),
        )

    def for_store(self, now: float, op: str) -> str | None:
        """What happens to one request to a store."""
        if now >= self.ends or self.chance.random() >= self.store_rate:
            return None
        kind = self.chance.choice(self.store_kinds)
        if kind in ("lied", "refused") and op not in _CONDITIONAL:
            return "broken"
        return kind

    def for_model(self, now: float) -> str | None:
        """What happens to one call of the model."""
        if now >= self.ends or self.chance.random() >= self.model_rate:
            return None
        return self.chance.choice(self.model_kinds)

    def there(self) -> float:
        """Seconds that one way takes."""
        return self.latency * (0.2 + 0.8 * self.chance.random())

    def long(self) -> float:
        """Seconds that something slow or late takes: mostly short, sometimes longer than any lease."""
        return min(90.0, self.chance.expovariate(1.0) ** 2 * 4)


def _some(chance: random.Random, kinds: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(chance.sample(kinds, chance.randint(1, len(kinds))))
