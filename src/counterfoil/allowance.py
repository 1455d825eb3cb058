"""What a server says is left of a limit: data that answers and refusals bear to the pace. It does nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Allowance:
    """`remaining` requests or tokens when the server took the call in, and the seconds from then until there are more.

    `reset` is None where it did not say. `limit` is the whole allowance, 0 where it did not say.
    """

    of: Literal["requests", "tokens"]
    remaining: int
    reset: float | None = None
    limit: int = 0
