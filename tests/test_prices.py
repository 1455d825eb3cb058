"""What calls cost."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal

import pytest

from counterfoil.errors import SetupError
from counterfoil.prices import LIST_PRICES, Prices

cost_usd = LIST_PRICES.cost


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


def test_a_given_price_holds_for_any_model_known_or_not():
    """`--price 0.40/1.60`: dollars for a million tokens in and out, exact to the last digit."""
    prices = Prices.parse("0.40/1.60")
    assert prices.cost("openai:my-own-llama", 1_000_001, 500_000) == Decimal("1.2000004")
    assert prices.cost("openai:gpt-4.1", 1_000_000, 0) == Decimal("0.40")


def test_cached_input_has_the_given_price_or_that_of_other_input():
    """Rather too much told than too little."""
    assert Prices.parse("3/15/0.3").cost("a:b", 1_000_000, 0, cached_tokens=400_000) == Decimal("1.92")
    assert Prices.parse("3/15").cost("a:b", 1_000_000, 0, cached_tokens=400_000) == Decimal("3")


def test_free_is_a_price_that_can_be_given():
    """One's own machine: known to cost nothing, not unknown."""
    prices = Prices.parse("0/0")
    assert prices.known("openai:my-own-llama")
    assert prices.cost("openai:my-own-llama", 1000, 1000) == 0


def test_whether_a_model_has_a_price_can_be_asked_before_it_is_called():
    """Who limits the spend must know that it can be counted."""
    assert LIST_PRICES.known("openai:gpt-4.1-mini")
    assert not LIST_PRICES.known("openai:my-own-llama")


@pytest.mark.parametrize("text", ["", "0.4", "a/b", "-1/2", "1/2/3/4", "1/", "1e3/2", "nan/1", "inf/1", "٣/1", "$1/$2"])
def test_what_is_no_price_is_refused_in_one_sentence(text: str):
    """With an example of what to write."""
    with pytest.raises(SetupError, match=r"write INPUT/OUTPUT or INPUT/OUTPUT/CACHED .* e\.g\. 0\.40/1\.60$"):
        Prices.parse(text)


def test_tokens_that_a_provider_wrote_into_its_cache_cost_what_it_asks_for_that():
    """Anthropic: a quarter more than other input."""
    plain = cost_usd("anthropic:claude-haiku-4-5", 100_000, 0)
    assert plain is not None
    assert cost_usd("anthropic:claude-haiku-4-5", 100_000, 0, written_tokens=100_000) == plain * Decimal("1.25")
