"""The kinds of values that an invoice is made of: amounts, texts and days, each None where the document is silent."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer


def _money(value: Any) -> Any:
    """Takes numbers as they are printed (a float by its shortest repr), and drops nothing silently."""
    if isinstance(value, bool):
        raise ValueError("an amount can't be true or false")
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, str):
        return value.strip() or None
    return value


def _text(value: Any) -> Any:
    """An empty text says nothing: None. A bare number (models do that with invoice numbers) is its digits."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return str(value)
    return value


Amount = Annotated[
    Decimal | None,
    BeforeValidator(_money),
    PlainSerializer(lambda d: None if d is None else format(d, "f"), return_type=str | None, when_used="json"),
]
Text = Annotated[str | None, BeforeValidator(_text)]
Day = Annotated[date | None, BeforeValidator(lambda v: (v.strip() or None) if isinstance(v, str) else v)]


class Part(BaseModel):
    """A group of terms. What it doesn't know is ignored."""

    model_config = ConfigDict(extra="ignore", frozen=False, validate_assignment=False, allow_inf_nan=False)
