"""What a refusal of a model's server means: which of our errors it is, told by status, code and words.

Set-up errors stop the run, input errors fail one document, the rest may be tried again. It quotes servers briefly, and
never a key. It never uses the network.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Literal, cast

from .allowance import Allowance
from .errors import CounterfoilError, InputError, RateLimited, SetupError, Unanswered, Unavailable

Feature = Literal["json_schema", "tools", "json_object", "temperature"]
FORMS: tuple[Feature, ...] = ("json_schema", "tools", "json_object")
"""The ways to ask for JSON, the one that binds a model most first: a response format, a forced tool call, JSON mode."""
FEATURES: frozenset[Feature] = frozenset({*FORMS, "temperature"})

QUOTED_CHARACTERS = 200
WEIGHED_CHARACTERS = 4000
SHORTEST_KEY = 6
"""A shorter key is a placeholder for a server that wants none; hiding it would only garble messages."""

_NO_MONEY = {
    *("insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "access_terminated"),
    *("billing_error", "credit_balance_exhausted"),
}
_NO_MONEY_WORDS = re.compile(r"credit balance is too low", re.I)  # Anthropic's, a plain 400
_NO_SUCH_SETUP = {"invalid_api_key", "model_not_found", "invalid_model", "unsupported_country_region_territory"}
_TOO_LONG = {"context_length_exceeded", "exceed_context_size_error", "string_above_max_length"}
_DECLINED = {"content_policy_violation", "content_filter"}
# OpenRouter's is a 403, Azure's may come without its code.
_DECLINED_WORDS = re.compile(r"\binput was flagged|requires moderation|content management policy", re.I)
_BAD_DRAW = {"json_validate_failed", "tool_use_failed"}
"""Groq's: what the model wrote was no JSON, so nothing was returned; it may be the next time."""
# "Request too large" comes as a 429, yet asking again can't help: one document is over the whole minute's tokens.
_TOO_LONG_WORDS = re.compile(
    r"request too large|context[ _](length|window|size)|maximum context|too many (input )?tokens|prompt is too long",
    re.I,
)
_FORMAT_WORDS = re.compile(
    r"response[_ ]?format|json_?schema|structured[ _]outputs?|guided_json|json_object|requested parameters", re.I
)
_TOOL_WORDS = re.compile(r"\btools?\b|tool_(choice|calls?)|function[ _]?call", re.I)
# How servers say that a model reads text only; what is wrong with one picture is said in other words.
_BLIND_WORDS = re.compile(
    r"(image|vision|visual|multi-?modal)[^.]{0,60}\b(not|only|isn't|cannot|can't) ?(be )?(support|enabled|available)"
    r"|(\bno\b|\bnot\b|n't\b|only)[^.]{0,40}\b(support|accept)\w*[^.]{0,40}(image|vision|multi-?modal)"
    r"|not a (multi-?modal|vision)|missing data required for image input|\bmmproj\b"
    r"|content\b[^.]{0,40} (must|should) be a (valid )?string|unknown variant .?image_url",
    re.I,
)
_GAVE_UP_WAITING = frozenset({408, 502, 504, 520, 522, 524})
"""Said by gateways whose model may well have worked, and by us of a reply that is no answer."""
_KEY_LIKE = re.compile(r"\b(sk|pk|key)-[\w*.-]+")


def brief(text: str, key: str) -> str:
    """A foreign text as one short line, without the key or anything that looks like one."""
    line = " ".join(_without_keys(text, key).split())
    return line if len(line) <= QUOTED_CHARACTERS else line[: QUOTED_CHARACTERS - 1] + "…"


def _without_keys(text: str, key: str) -> str:
    hidden = text.replace(key, "(key)") if len(key) >= SHORTEST_KEY else text
    return _KEY_LIKE.sub("(key)", hidden)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reply that is no answer. `codes` are the server's for it, `words` what it says, `quote` the same briefly."""

    status: int
    codes: frozenset[str]
    words: str
    quote: str
    retry_after: float | None

    @classmethod
    def of(cls, status: int, headers: Mapping[str, str], body: bytes, reply: Mapping[str, Any], key: str) -> Refusal:
        """`reply` is the body as JSON, empty where it is none. Nothing is assumed of either."""
        error = reply.get("error")
        details = cast("Mapping[str, Any]", error) if isinstance(error, dict) else reply
        codes = frozenset(str(details[name]) for name in ("code", "type") if details.get(name))
        words = next(_messages(error, details), None) or body[:WEIGHED_CHARACTERS].decode("utf-8", "replace")
        if status == 200:  # some gateways answer so and say the true status in the body
            code = details.get("code")
            status = code if isinstance(code, int) and 400 <= code <= 599 else 502
            words = words if error else f"no chat completion in the reply: {words}"
        return cls(status, codes, words[:WEIGHED_CHARACTERS], brief(words, key), retry_after_seconds(headers))

    def refused_feature(self, offered: Set[Feature]) -> Feature | None:
        """Which of the features that the request offered the server says it doesn't have."""
        if self.codes & _BAD_DRAW:
            return None
        if self.status in (400, 422, 501) and "temperature" in offered and "temperature" in self.words.lower():
            return "temperature"
        form = form_of(offered)
        words = _TOOL_WORDS if form == "tools" else _FORMAT_WORDS
        # OpenRouter says that there is no such endpoint (404), llama.cpp calls tools an error of its own (500).
        says_so = self.status in (400, 404, 422, 501) or (self.status == 500 and form == "tools")
        return form if says_so and words.search(self.words) else None

    def of_images(self, where: str) -> SetupError | None:
        """The error to raise where the request bore images and the model takes none."""
        # llama.cpp calls it an error of its own (500), OpenRouter that there is no such endpoint (404).
        if self.status not in (400, 404, 415, 422, 500, 501) or not _BLIND_WORDS.search(self.words):
            return None
        said = f"(status {self.status}): {self.quote}"
        return SetupError(f"{where} takes no images {said}; use a model that does, or --images never")

    def error(self, where: str, variables: str, allowances: tuple[Allowance, ...] = ()) -> CounterfoilError:
        """The error to raise; `where` names server and model, `variables` what it is set up by, `allowances` is what
        the headers said."""
        said = f"(status {self.status}): {self.quote}"
        return self._terminal(where, variables, said) or self._transient(where, said, allowances)

    def _terminal(self, where: str, variables: str, said: str) -> CounterfoilError | None:
        if self.codes & _NO_MONEY or self.status == 402 or _NO_MONEY_WORDS.search(self.words):
            return SetupError(f"the account at {where} has no quota left {said}")
        if self.codes & _TOO_LONG or self.status == 413 or _TOO_LONG_WORDS.search(self.words):
            return InputError(f"the document is too long for {where} {said}")
        if self.codes & _DECLINED or (400 <= self.status < 500 and _DECLINED_WORDS.search(self.words)):
            return InputError(f"{where} declined the document's content {said}")
        if self.codes & _NO_SUCH_SETUP or self.status in (401, 403, 404, 405):
            return SetupError(f"{where} refused {said}; check the model's name, {variables}")
        if 300 <= self.status < 400:
            return SetupError(f"{where} redirects elsewhere (status {self.status}); check {variables}")
        return None

    def _transient(self, where: str, said: str, allowances: tuple[Allowance, ...]) -> CounterfoilError:
        # A 503 with Retry-After is the plain HTTP way to say "slow down".
        if self.status in (429, 529) or (self.status == 503 and self.retry_after is not None):
            return RateLimited(f"{where} asks us to slow down {said}", self.retry_after, allowances)
        if self.status in _GAVE_UP_WAITING or self.codes & _BAD_DRAW:
            return Unanswered(f"{where} gave no answer {said}")
        if self.status in (409, 424, 425) or not 400 <= self.status < 500:
            return Unavailable(f"{where} could not answer {said}")
        # What is wrong with a request that others like it are not refused for is its document.
        return InputError(f"{where} can't take this document {said}")


def form_of(offered: Set[Feature]) -> Feature | None:
    """How to ask for JSON of a server that has these features; None for in words only."""
    return next((form for form in FORMS if form in offered), None)


def _messages(error: Any, details: Mapping[str, Any]) -> Iterator[str]:
    for value in (error, details.get("message"), details.get("detail")):
        if isinstance(value, str) and value.strip():
            yield value


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """What `Retry-After` asks for, in seconds, whether it is written as such or as a date; None if it says nothing."""
    value = headers.get("Retry-After", "").strip()
    try:
        seconds = max(_epoch(value) - server_time(headers), 0.0) if value.endswith("GMT") else float(value)
    except (ValueError, TypeError):
        return None
    return seconds if 0 <= seconds < float("inf") else None


def server_time(headers: Mapping[str, str]) -> float:
    """Seconds since 1970 by the server's own clock, where it says it: ours may be off by more than the wait."""
    date = headers.get("Date")
    return _epoch(date) if date else time.time()


def _epoch(date: str) -> float:
    moment = parsedate_to_datetime(date)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
