"""What calls cost."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal

from counterfoil.prices import cost_usd


def test_a_known_model_costs_its_list_price_as_a_decimal():
    """gpt-4.1-mini: 0.40 USD a million tokens in, 1.60 out."""
    assert cost_usd("openai:gpt-4.1-mini", 1_000_000, 1_000_000) == Decimal("2.00")


def test_a_dated_version_of_a_model_has_the_price_of_the_model():
    """Servers and users name models by their release date, too."""
    assert cost_usd("openai:gpt-4.1-mini-2025-04-14", 1000, 100) == cost_usd("openai:gpt-4.1-mini", 1000, 100)


def test_cached_tokens_are_cheaper():
    """gpt-4.1-mini: 0.10 USD a million tokens from the cache."""
    assert cost_usd("openai:gpt-4.1-mini", 1_000_000, 0, cached_tokens=1_000_000) == Decimal("0.10")


def test_more_cached_tokens_than_tokens_is_read_as_all_of_them():
    """A server's odd count is no reason to lose the cost."""
    assert cost_usd("openai:gpt-4.1-mini", 100, 0, cached_tokens=500) == cost_usd("openai:gpt-4.1-mini", 100, 0, 100)


def test_an_unknown_model_has_no_price_rather_than_none_to_pay():
    """None, never 0: a sum that it enters is unknown as well."""
    assert cost_usd("openai:my-own-llama", 1000, 100) is None
    assert cost_usd("nobody:gpt-4.1-mini", 1000, 100) is None


def test_the_price_list_is_imported_only_when_asked():
    """`counterfoil --help` must not wait for it."""
    code = "import sys, counterfoil.prices; sys.exit('genai_prices' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
