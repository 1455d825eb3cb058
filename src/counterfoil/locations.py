"""Turns what a user typed (a path or a URL) into an opened store. Opens nothing but what it is asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from .errors import SetupError
from .store import Store
from .store_folder import FolderStore
from .store_memory import MemoryStore

_CLOUDS = {"s3": "s3", "gs": "gs", "gcs": "gs", "az": "az", "azure": "az"}
_memories: dict[str, MemoryStore] = {}


def local_path(location: str) -> Path | None:
    """The path of a local location, None if it is a URL of another kind."""
    if location.startswith("file://"):
        parts = urlsplit(location)
        if parts.netloc not in ("", "localhost"):
            raise SetupError(f"{location}: a file URL names this machine only; write file:///path")
        return Path(unquote(parts.path))
    return None if "://" in location else Path(location).expanduser()


def open_store(location: str, environ: Mapping[str, str] | None = None) -> Store:
    """The store at a folder or an s3://, gs://, az://, file:// or memory:// URL; makes no request.

    `memory://NAME` is one store in this process, whoever opens it. Raises `SetupError` for what it does not know.
    """
    path = local_path(location)
    if path is not None:
        if path.exists() and not path.is_dir():
            raise SetupError(f"{location} is a file; a folder is needed here")
        return FolderStore(path)
    scheme, _, rest = location.partition("://")
    if scheme == "memory":
        return _memories.setdefault(rest, MemoryStore(location))
    if scheme.lower() not in _CLOUDS:
        raise SetupError(f"{location}: unknown scheme {scheme}://; use a folder, s3://, gs://, az:// or file://")
    bucket, _, prefix = rest.partition("/")
    if not bucket:
        raise SetupError(f"{location}: no bucket named; write {scheme}://BUCKET/PREFIX")
    from .store_cloud import open_cloud  # only those who use a cloud pay for its client

    return open_cloud(
        _CLOUDS[scheme.lower()], bucket, prefix.strip("/"), environ if environ is not None else os.environ
    )
