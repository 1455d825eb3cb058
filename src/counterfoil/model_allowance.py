"""What the headers of a reply say is left of the server's limits, in the forms that providers have.

It promises that a header that makes no sense is as if it weren't there. It never waits and never raises.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Literal

from .allowance import Allowance
from .model_refusals import server_time

# remaining, reset and limit: OpenAI's and whoever follows it; Anthropic's; gateways that don't say of what.
_WORDS = ("remaining", "reset", "limit")
_REQUESTS = (
    tuple(f"x-ratelimit-{word}-requests" for word in _WORDS),
    tuple(f"anthropic-ratelimit-requests-{word}" for word in _WORDS),
    tuple(f"x-ratelimit-{word}" for word in _WORDS),
)
_TOKENS = (
    tuple(f"x-ratelimit-{word}-tokens" for word in _WORDS),
    tuple(f"anthropic-ratelimit-tokens-{word}" for word in _WORDS),
    tuple(f"anthropic-ratelimit-input-tokens-{word}" for word in _WORDS),
    tuple(f"anthropic-ratelimit-output-tokens-{word}" for word in _WORDS),
)
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_UNITS = (86_400.0, 3600.0, 60.0, 1.0, 0.001)
_LEAST_EPOCH, _LEAST_EPOCH_MS = 1e9, 1e11
"""A reset of that many seconds is no duration but a moment, written in s or in ms since 1970."""


def allowances(headers: Mapping[str, str]) -> tuple[Allowance, ...]:
    """What is left of requests and of tokens, for each that is told; of several the one with the least left."""
    told = (_scarcest("requests", _REQUESTS, headers), _scarcest("tokens", _TOKENS, headers))
    return tuple(allowance for allowance in told if allowance)


def _scarcest(
    of: Literal["requests", "tokens"], names: tuple[tuple[str, ...], ...], headers: Mapping[str, str]
) -> Allowance | None:
    found: list[Allowance] = []
    for remaining, reset, limit in names:
        left = _count(headers.get(remaining))
        if left is not None:
            found.append(
                Allowance(of, left, seconds_until(headers.get(reset), headers), _count(headers.get(limit)) or 0)
            )
    return min(found, key=lambda allowance: allowance.remaining, default=None)


def _count(value: str | None) -> int | None:
    value = (value or "").strip()
    return int(value) if value.isascii() and value.isdecimal() and len(value) < 16 else None


def seconds_until(value: str | None, headers: Mapping[str, str]) -> float | None:
    """A reset in seconds from when the reply was made, from `6m0s`, `20ms`, `12.5`, seconds or milliseconds since 1970,
    or RFC 3339; None for anything else."""
    value = (value or "").strip()
    if not value or len(value) > 40:
        return None
    with suppress(ValueError, TypeError, OverflowError):
        if "T" in value:
            return max(datetime.fromisoformat(value).timestamp() - server_time(headers), 0.0)
        if value[-1] in "smhd":
            parts = _DURATION.fullmatch(value)
            return sum(float(n or 0) * unit for n, unit in zip(parts.groups(), _UNITS, strict=True)) if parts else None
        number = float(value)
        if number >= _LEAST_EPOCH:
            number = number / (1000 if number >= _LEAST_EPOCH_MS else 1) - server_time(headers)
        return max(number, 0.0) if number < float("inf") else None
    return None
