"""What can be found is documented: docs/checks.md is where people look a code up."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import counterfoil

_MADE = re.compile(r"Finding\(\s*f?\"([a-z_]+\.[a-z_{}]+)\"")
_CODES = sorted(
    {code for path in Path(counterfoil.__file__).parent.glob("*.py") for code in _MADE.findall(path.read_text())}
)
_PAGE = (Path(__file__).parents[1] / "docs" / "checks.md").read_text()


def test_the_codes_are_found_in_the_source():
    """Else the law below would hold for none."""
    assert {"amounts.unconfirmed", "missing.{field}"} <= set(_CODES)


@pytest.mark.parametrize("code", _CODES)
def test_every_code_of_a_finding_is_in_the_documentation(code: str):
    """A code with a part that varies is there with some of them."""
    assert f"`{code.partition('{')[0]}" in _PAGE
