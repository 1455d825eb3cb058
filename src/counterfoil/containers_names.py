"""Safe, unique names for the parts of an archive or a mail, whatever these call them.

A part's name becomes a part of a document's id: it is shown, listed and exported. It promises names that lead nowhere
else (no `..`, no drive, no leading slash), that hold no character that hides or reorders others, that are of bounded
length, and no two of which are equal, or one the folder of the other. The same names in give the same names out.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

from .kinds import NEVER

_LONGEST_STEP = 120
_LONGEST = 400
_DROPPED = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
"""Controls, format marks (the one that turns text around among them), lone surrogates, and what is no character."""


def safe_name(raw: str) -> str:
    """The name with "/" between its steps; `part` if nothing is left of it."""
    steps = [step for step in (_step(step) for step in raw.replace("\\", "/").split("/")) if step]
    name = "/".join(steps)
    if len(name) > _LONGEST and len(steps) > 2:
        name = f"{steps[0]}/~/{steps[-1]}"
    return name or "part"


def _step(step: str) -> str:
    visible = "".join(c for c in step[:10_000] if unicodedata.category(c) not in _DROPPED)
    clean = " ".join(unicodedata.normalize("NFC", visible).replace(":", "_").split()).strip(" ")
    if not clean.strip("."):
        return ""
    if len(clean) <= _LONGEST_STEP:
        return clean
    suffix = PurePosixPath(clean).suffix[:12]
    return clean[: _LONGEST_STEP - len(suffix)] + suffix


def unique_names(raws: Iterable[str]) -> list[str]:
    """A safe name for each, in order. Where two would clash, the later gets a number: `a.pdf`, `a (2).pdf`."""
    taken: set[str] = set()
    folders: set[str] = set()
    counts: dict[str, int] = {}
    names: list[str] = []
    for raw in raws:
        wanted = name = safe_name(raw)
        while name in taken or name in folders or any(folder in taken for folder in _folders(name)):
            counts[wanted] = counts.get(wanted, 1) + 1
            name = _numbered(wanted, counts[wanted], folder=any(folder in taken for folder in _folders(name)))
        taken.add(name)
        folders.update(_folders(name))
        names.append(name)
    return names


def _folders(name: str) -> list[str]:
    steps = name.split("/")
    return ["/".join(steps[:count]) for count in range(1, len(steps))]


def _numbered(name: str, number: int, *, folder: bool) -> str:
    """The number goes into the last step, or into the first where it is a folder's name that clashes."""
    if folder:
        first, _, rest = name.partition("/")
        return f"{first} ({number})/{rest}"
    path = PurePosixPath(name)
    return path.with_name(f"{path.stem} ({number}){path.suffix}").as_posix()


def may_be_document(name: str) -> bool:
    """Whether a part of this (safe) name is taken: as in a folder, hidden files and mere companions are not."""
    path = PurePosixPath(name)
    hidden = any(step.startswith(".") or step == "__MACOSX" for step in path.parts)
    return not hidden and path.suffix.lower() not in NEVER
