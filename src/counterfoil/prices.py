"""What model calls cost: by the price that the user gives, else by the list that the library genai-prices carries.

It promises None for a model without a known price, never 0, and amounts that are exact. It never uses the network: the
list is as old as the installed library. That is imported at the first question, since it takes a tenth of a second.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from .errors import SetupError

MILLION = 1_000_000
_PRICE = re.compile(r"\d{1,9}(\.\d{1,12})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rate:
    """US dollars for a million tokens of input, of output, and of input that was read from the provider's cache."""

    input: Decimal
    output: Decimal
    cached: Decimal


@dataclass(frozen=True, slots=True)
class Prices:
    """The prices of a run: `given` for whatever model it asks, or the library's list."""

    given: Rate | None = None

    @classmethod
    def parse(cls, text: str) -> Prices:
        """`INPUT/OUTPUT` or `INPUT/OUTPUT/CACHED` in US dollars for a million tokens; raises `SetupError`.

        Without CACHED, input from the cache costs what other input does: rather too much told than too little.
        """
        parts = [part.strip() for part in text.split("/")]
        if len(parts) not in (2, 3) or not all(_PRICE.fullmatch(part) for part in parts):
            raise SetupError(
                f"--price {text!r} is no price: write INPUT/OUTPUT or INPUT/OUTPUT/CACHED in US dollars for a million "
                "tokens, e.g. 0.40/1.60"
            )
        paid, answered, *cached = map(Decimal, parts)
        return cls(Rate(paid, answered, *cached or [paid]))

    def known(self, model: str) -> bool:
        """Whether calls of `model` (`PROVIDER:NAME`) can be costed at all."""
        return self.cost(model, 0, 0) is not None

    def cost(
        self, model: str, input_tokens: int, output_tokens: int, cached_tokens: int = 0, written_tokens: int = 0
    ) -> Decimal | None:
        """US dollars for one call of `model` (`PROVIDER:NAME`), not rounded; None if its price isn't known.

        Of the input tokens, `cached_tokens` were read from the provider's cache, and `written_tokens` put there. One
        call, not a sum of calls: some models have a higher price for a long one.
        """
        cached = min(cached_tokens, input_tokens)
        written = min(written_tokens, input_tokens - cached)
        if self.given is None:
            return _listed(model, input_tokens, output_tokens, cached, written)
        rate = self.given
        return (rate.input * (input_tokens - cached) + rate.cached * cached + rate.output * output_tokens) / MILLION

    def load(self) -> None:
        """Reads the list now, if there is need of it, for who would rather wait in a thread than at a first answer."""
        self.known("openai:gpt-4.1-mini")


LIST_PRICES = Prices()


@cache
def _is_listed(model: str) -> bool:
    """Whether the list has this model. Asked once: the library goes through all of it each time it does not find one,
    which takes as long as all checks of an answer."""
    from genai_prices import Usage, calc_price

    provider, _, name = model.partition(":")
    try:
        calc_price(Usage(), name, provider_id=provider)
    except LookupError:
        return False
    except ValueError:
        return True  # found, but not for this usage
    return True


def _listed(model: str, input_tokens: int, output_tokens: int, cached: int, written: int) -> Decimal | None:
    from genai_prices import Usage, calc_price

    if not _is_listed(model):
        return None
    provider, _, name = model.partition(":")
    usage = Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cache_read_tokens=cached,
        cache_write_tokens=written,
    )
    try:
        return calc_price(usage, name, provider_id=provider).total_price
    except (LookupError, ValueError):
        return None
