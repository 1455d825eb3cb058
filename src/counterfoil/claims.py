"""The claims that a worker holds: what is ours to finish, by shard. Books only: what is recorded is up to `worker`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from .commit import Record
from .document import Usage
from .manifest import shard_of
from .spend import NOTHING


@dataclass(eq=False, slots=True)
class Claim:
    """A document that is ours to finish, as long as nobody supersedes (owner, attempt). The attempt changes when a
    worker that was away takes its claims up again. `used` is what all calls of this claim took so far; `told` is the
    part of it that the record has, and `asking` the call that may be out by what the record says. `owed` is what the
    request took that its batch answered: it stays there to be collected until the claim is finished. `request` is that
    one, once a result is made of its answer. `input` is the name of what was read, once it was."""

    document: str
    attempt: int
    record: Record
    asking: int = 0
    told: Usage = NOTHING
    used: Usage = NOTHING
    owed: Usage = NOTHING
    request: str | None = None
    input: str = ""

    @property
    def untold(self) -> Usage:
        return self.used - self.told


class Holding:
    """All claims of a worker, over `shards` shards."""

    def __init__(self, shards: int) -> None:
        self._shards = shards
        self._claims: dict[int, dict[str, Claim]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._claims.values()))

    def __iter__(self) -> Iterator[Claim]:
        return iter([claim for claims in self._claims.values() for claim in claims.values()])

    def __contains__(self, claim: Claim) -> bool:
        return self._claims.get(shard_of(claim.document, self._shards), {}).get(claim.document) is claim

    def by_shard(self) -> Mapping[int, list[Claim]]:
        return {shard: list(claims.values()) for shard, claims in self._claims.items()}

    def of(self, shard: int) -> Collection[str]:
        """The documents of one shard that are ours."""
        return frozenset(self._claims.get(shard, ()))

    def add(self, claim: Claim) -> None:
        self._claims.setdefault(shard_of(claim.document, self._shards), {})[claim.document] = claim

    def drop(self, claim: Claim) -> None:
        """Unless another claim of the same document has taken its place."""
        if claim in self:
            shard = shard_of(claim.document, self._shards)
            del self._claims[shard][claim.document]
            if not self._claims[shard]:
                del self._claims[shard]  # an emptied dict keeps its room, and there may be thousands of shards

    def clear(self) -> None:
        self._claims.clear()
