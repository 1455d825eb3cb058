"""Who may come in, and whether a form is one of ours: the token, the session cookie, the form's own word.

Nothing is stored: a session is a random name with its signature. The key of the signatures comes from the token, so
that sessions outlive the server, or is made anew for each server where there is none. Comparisons take constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass

LEAST_TOKEN = 12
"""Characters: a shorter one could be guessed over the network."""


def new_token() -> str:
    return secrets.token_urlsafe(24)


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))


@dataclass(frozen=True, slots=True)
class Session:
    """One browser. `csrf` stands in each form of its pages, and only there."""

    cookie: str
    csrf: str


class Sessions:
    """`token` None: whoever reaches this server may come in. `port` keeps the cookies of several servers of one machine
    apart, for browsers don't."""

    def __init__(self, token: str | None, port: int) -> None:
        self._token = token
        self._key = hashlib.sha256(token.encode()).digest() if token else secrets.token_bytes(32)
        self.cookie = f"counterfoil_{port}"
        self.guarded = token is not None

    def admits(self, token: str) -> bool:
        """Whether this is the token."""
        return self._token is not None and _same(token, self._token)

    def new(self) -> Session:
        """A session for a browser that has none and may come in."""
        name = secrets.token_urlsafe(16)
        return self._session(f"{name}.{self._sign('session', name)}", name)

    def find(self, cookie: str | None) -> Session | None:
        """The session of a cookie, None if it is not of our making."""
        name, _, signature = (cookie or "").partition(".")
        if not name or not _same(signature, self._sign("session", name)):
            return None
        return self._session(cookie or "", name)

    def _session(self, cookie: str, name: str) -> Session:
        return Session(cookie, self._sign("form", name))

    def _sign(self, purpose: str, name: str) -> str:
        return hmac.new(self._key, f"{purpose} {name}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def is_ours(session: Session, word: str) -> bool:
    """Whether a form that was sent comes from a page of this session."""
    return _same(word, session.csrf)
