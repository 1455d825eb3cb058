"""What model calls cost, from the price list that the library genai-prices carries with it.

It promises None for a model without a known price, never 0. It never uses the network: the list is as old as the
installed library. The library is imported at the first question, since that takes a tenth of a second.
"""

from __future__ import annotations

from decimal import Decimal


def cost_usd(model: str, input_tokens: int, output_tokens: int, cached_tokens: int = 0) -> Decimal | None:
    """US dollars for so many tokens of `model` (`PROVIDER:NAME`), not rounded; None if its price isn't known.

    `cached_tokens` are those of the input that were read from the provider's cache, at its lower price.
    """
    from genai_prices import Usage, calc_price

    provider, _, name = model.partition(":")
    cached = min(cached_tokens, input_tokens)
    usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens, cache_read_tokens=cached)
    try:
        return calc_price(usage, name, provider_id=provider).total_price
    except (LookupError, ValueError):
        return None


def load() -> None:
    """Reads the price list now, for callers that would rather wait in a thread than at their first answer."""
    cost_usd("openai:gpt-4.1-mini", 0, 0)
