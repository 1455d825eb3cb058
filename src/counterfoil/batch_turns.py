"""How a conversation goes on that is held by batches: a request, an answer, perhaps another batch. Pure functions.

What one call after the other does in `extract_model`, this does from one batch to the next: an answer that does not fit
is sent back with what is wrong with it, a bounded number of times; a request that failed is asked again, a bounded
number of times.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .batch import Outcome
from .document import Data
from .errors import InputError
from .form import Form, MisfitError
from .invoice import Invoice
from .model import Answer, Turn
from .prompt import repair

MAX_REPAIRS = 2


@dataclass(frozen=True, slots=True)
class Asked:
    """A request's place in its document's conversation: which round it is, after how many answers that did not fit and
    how many failures in a row."""

    round: int = 1
    misfits: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Again:
    """What to ask next."""

    turns: tuple[Turn, ...]
    asked: Asked = Asked()


def follow(
    outcome: Outcome | None, batch: Mapping[str, Any], opening: tuple[Turn, ...], form: Form, *, max_attempts: int
) -> Invoice | Data | Again:
    """What an outcome says by its form, or what to ask next. `batch` is the record's; no outcome: nothing was
    worked on.

    Raises `InputError` where the model declines, no answer fits, or every attempt has failed. A repair whose request
    failed begins the conversation again: the answer to repair was the last batch's.
    """
    asked = Asked(batch["round"], batch["misfits"], batch["failures"])
    if outcome is None:
        return Again(opening, Asked(asked.round + 1, asked.misfits, asked.failures))
    if isinstance(outcome, InputError):
        raise outcome
    if isinstance(outcome, Answer):
        return _read(outcome, asked, opening, form)
    if asked.failures + 1 >= max_attempts:
        raise InputError(f"the model gave no answer: {outcome}; `retry` it later") from outcome
    return Again(opening, Asked(asked.round + 1, asked.misfits, asked.failures + 1))


def _read(answer: Answer, asked: Asked, opening: tuple[Turn, ...], form: Form) -> Invoice | Data | Again:
    if answer.finish == "refused":
        raise InputError(f"{answer.model} declined to read the document: {(answer.refusal or 'filtered')[:200]}")
    try:
        return form.parse(answer.text, cut_off=answer.finish == "length")
    except MisfitError as misfit:
        if asked.misfits >= MAX_REPAIRS:
            if misfit.rest is not None:
                return misfit.rest
            count = asked.misfits + 1
            raise InputError(f"the model's answer did not fit the schema after {count} answers: {misfit}") from misfit
        turns = (*opening, *repair(answer.text, str(misfit)))
        return Again(turns, Asked(asked.round + 1, asked.misfits + 1))
