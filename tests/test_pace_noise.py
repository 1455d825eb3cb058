"""Refusals by chance, told from those of a limit."""

from __future__ import annotations

from math import inf

from counterfoil.pace_noise import MOST, SLOWER, SUSPECT, Noise


def calls(noise: Noise, count: int, every: int, first: int, rate: float = 10.0) -> float | None:
    """So many calls, of which each of so many is refused; returns what was found out on the way."""
    found = None
    for number in range(first, first + count):
        noise.started(number)
        if every and number % every == 0:
            found = noise.refused(number, every, every / rate) or found
    return found


def test_what_is_refused_at_a_lower_rate_too_is_chance():
    """One in twenty before, and one in twenty of a trial at seven tenths of the rate: ten a second are borne."""
    noise = Noise()
    calls(noise, 20 * SUSPECT, 20, 1)
    assert noise.fastest == SLOWER * 10
    assert calls(noise, 400, 20, 201, SLOWER * 10) == 10
    assert (noise.share, noise.fastest) == (0.05, inf)


def test_what_is_not_refused_at_a_lower_rate_was_a_limit():
    """The trial ends when chance would have refused a few, and nothing is believed to be chance."""
    noise = Noise()
    calls(noise, 20 * SUSPECT, 20, 1)
    calls(noise, 150, 0, 201)
    assert (noise.share, noise.fastest) == (0.0, inf)


def test_no_trial_is_made_where_most_or_next_to_nothing_is_refused():
    """Every second call is a limit that we are far above; one in a hundred is what finding a limit costs."""
    for every in (2, 100):
        noise = Noise()
        calls(noise, 40 * every, every, 1)
        assert noise.fastest == inf


def test_nothing_is_chance_before_it_was_found_to_be():
    """The first refusal is a limit's, until a trial has shown otherwise."""
    noise = Noise()
    assert not noise.explains(1, 1000)
    noise.share = 0.05
    assert noise.explains(15, 200)
    assert not noise.explains(60, 200)


def test_a_server_that_refuses_more_than_a_little_is_slowed_for_whatever_its_reason():
    """One in four, at any rate."""
    noise = Noise()
    calls(noise, 400, 4, 1)
    assert noise.share <= MOST and noise.fastest == inf
