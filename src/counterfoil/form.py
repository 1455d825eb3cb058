"""What a model is asked for: the schema of the answer, the instructions that go with it, and who checks what comes.

An invoice is one form; `schema_load` makes others from what a user wrote. Data only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from .document import Data

if TYPE_CHECKING:
    from .invoice import Invoice  # a run starts faster without it


class MisfitError(ValueError):
    """An answer that does not fit the schema; the message says why, for the model to read. `rest` is what can still be
    kept of it, for a person to look at, if the model does not do better."""

    def __init__(self, message: str, rest: Data | None = None) -> None:
        super().__init__(message)
        self.rest = rest


class UnreadableError(MisfitError):
    """An answer that is no JSON object at all, cut off or spoiled on its way: it says nothing of the document, so it
    does not use up the answers that may be sent back."""


class Parse(Protocol):
    """Makes of an answer what it says; `cut_off` where it ended before its end. Raises `MisfitError`."""

    def __call__(self, text: str, *, cut_off: bool = False) -> Invoice | Data: ...


@dataclass(frozen=True, slots=True)
class Form:
    """`schema` is the strict form that goes out under the name `name`; `instructions` is the first turn of every
    conversation, the same for every document."""

    name: str
    schema: Mapping[str, Any]
    instructions: str
    parse: Parse


@dataclass(frozen=True, slots=True)
class OwnSchema:
    """A schema of the user's. `digest` is of all that can change what it makes of an answer; `columns` says which
    fields it has, for exports: a kind by name, and the columns of its items where a field is a list of objects."""

    name: str
    digest: str
    columns: Mapping[str, Any]
    form: Form
