"""A local folder as a store, safe between processes (and between machines, where `flock` works over the mount).

Bodies are written to a temporary file, synced and renamed or linked into place, so a reader sees a whole body or none
and an acknowledged write survives a power cut. Compare-and-swap holds an advisory lock beside the key. It never waits
for that lock inside a thread: a stopped process that holds it delays others, it can't hang them.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import itertools
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote_to_bytes

from .errors import Conflict, SetupError, Unavailable
from .store import Entry, Object

T = TypeVar("T")
_LOCK_PATIENCE = 10.0
# What no retry cures: rights, a read-only mount, too long a name, a file where a folder is needed or vice versa.
_FOR_A_PERSON = frozenset(
    (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST)
)


def _tag(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def key_of(relative: str) -> str:
    """The key of a path: itself, unless it has bytes that are no UTF-8: then these, and each %, are %XX."""
    if not any(map(_is_raw, relative)):
        return relative
    return "".join(f"%{ord(c) & 0xFF:02X}" if _is_raw(c) or c == "%" else c for c in relative)


def _is_raw(character: str) -> bool:
    """Whether this is Python's stand-in for a byte of a file name that is no UTF-8."""
    return "\udc80" <= character <= "\udcff"


class FolderStore:
    """Keys are paths below `root`. Names that begin with a dot are not listed (locks and temporary files have such)."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()  # `..` and links are settled once, so that a key can be seen to stay inside
        self.commit_gap = 0.0

    @property
    def url(self) -> str:
        return str(self.root)

    def path(self, key: str) -> Path:
        """Where a key lives; a key can't leave the root."""
        path = self.root / key
        if not path.is_relative_to(self.root) or path == self.root or ".." in Path(key).parts or "\0" in key:
            raise SetupError(f"{key!r} is no key inside {self.root}")
        if "%" in key and not os.path.lexists(path):
            raw = os.fsdecode(unquote_to_bytes(key))
            if key_of(raw) == key and (self.root / raw).exists():
                return self.root / raw
        return path

    async def get(self, key: str) -> Object | None:
        def read() -> Object | None:
            try:
                body = self.path(key).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None
            return Object(body, _tag(body))

        return await _in_thread(read, f"read {key!r} in {self.root}")

    async def look(self, key: str) -> Entry | None:
        def see() -> Entry | None:
            path = self.path(key)
            return _entry(key, path.stat()) if path.is_file() else None

        return await _in_thread(see, f"look at {key!r} in {self.root}")

    async def put_new(self, key: str, body: bytes) -> str:
        def create() -> str:
            path = self.path(key)
            with _temporary(path, body) as temporary:
                _appear(temporary, path)
            _sync_folder(path.parent)
            return _tag(body)

        return await self._unlocked(create, f"create {key!r} in {self.root}")

    async def put_if(self, key: str, body: bytes, tag: str) -> str:
        return await self._unlocked(lambda: self._swap(key, body, tag), f"replace {key!r} in {self.root}")

    async def _unlocked(self, work: Callable[[], T], what: str) -> T:
        """Repeats work that needs a lock until it is free."""
        deadline = time.monotonic() + _LOCK_PATIENCE
        while True:
            try:
                return await _in_thread(work, what)
            except BlockingIOError as exc:
                if time.monotonic() > deadline:
                    raise Unavailable(f"can't {what}: it stays locked by another process") from exc
                await asyncio.sleep(0.002)

    def _swap(self, key: str, body: bytes, tag: str) -> str:
        path = self.path(key)
        if not path.is_file():
            raise Conflict(f"{key} is gone")
        with _lock(path):
            if _tag(path.read_bytes()) != tag:
                raise Conflict(f"{key} has another tag")
            with _temporary(path, body) as temporary:
                _replace(temporary, path)
            _sync_folder(path.parent)
        return _tag(body)

    async def put(self, key: str, body: bytes) -> None:
        def write() -> None:
            path = self.path(key)
            with _temporary(path, body, durable=False) as temporary:
                _replace(temporary, path)

        await _in_thread(write, f"write {key!r} in {self.root}")

    async def delete(self, key: str) -> None:
        def remove() -> None:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                self.path(key).unlink()

        await _in_thread(remove, f"delete {key!r} in {self.root}")

    async def list(self, prefix: str = "") -> AsyncIterator[Entry]:
        walk = self._walk(self.path(prefix) if prefix else self.root)
        while chunk := await _in_thread(lambda: _take(walk, 1000), f"list {self.root}"):
            for entry in chunk:
                yield entry

    def _walk(self, folder: Path) -> Iterator[Entry]:
        folders = [folder]
        while folders:
            try:
                entries = sorted(os.scandir(folders.pop()), key=lambda e: e.name)
            except (FileNotFoundError, NotADirectoryError):
                continue
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                elif entry.is_file():
                    with contextlib.suppress(FileNotFoundError):
                        yield _entry(key_of(os.path.relpath(entry.path, self.root)), entry.stat())


def _entry(key: str, facts: os.stat_result) -> Entry:
    return Entry(key, facts.st_size, f"{facts.st_mtime_ns}-{facts.st_size}")


def _take(walk: Iterator[Entry], most: int) -> list[Entry]:
    return list(itertools.islice(walk, most))


async def _in_thread(work: Callable[[], T], what: str) -> T:
    """Runs blocking file work beside the loop; tells apart what a person must mend from what may pass."""
    try:
        return await asyncio.to_thread(work)
    except BlockingIOError:
        raise
    except OSError as exc:
        if exc.errno in _FOR_A_PERSON:
            where = f" ({exc.filename})" if exc.filename and str(exc.filename) not in what else ""
            raise SetupError(f"can't {what}: {exc.strerror}{where}") from exc
        raise Unavailable(f"can't {what}: {exc.strerror or exc}") from exc


def _appear(temporary: Path, path: Path) -> None:
    """Gives the file its name if nobody has it yet, in one step."""
    try:
        os.link(temporary, path)
    except FileExistsError as exc:
        raise Conflict(f"{path.name} exists") from exc
    except OSError as exc:
        if exc.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
            raise
        with _lock(path):  # a file system without hard links: every creator takes the same lock
            if path.exists():
                raise Conflict(f"{path.name} exists") from exc
            temporary.replace(path)


def _replace(temporary: Path, path: Path) -> None:
    """A listing tells rewritten files by their time: it grows even within one tick of the file system."""
    with contextlib.suppress(FileNotFoundError):
        after = path.stat().st_mtime_ns + 1
        if temporary.stat().st_mtime_ns < after:
            os.utime(temporary, ns=(after, after))
    temporary.replace(path)


@contextlib.contextmanager
def _lock(path: Path) -> Generator[None]:
    """Holds the lock file beside `path`; raises BlockingIOError at once if another process holds it.

    Its name is cut to what a file system takes; long names that begin alike share a lock, which is harmless.
    """
    descriptor = os.open(path.with_name(f".{path.name[:60]}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _temporary(path: Path, body: bytes, *, durable: bool = True) -> Generator[Path]:
    """A synced file with `body` beside `path`, gone afterwards if it was not renamed."""
    _make_folder(path.parent)
    descriptor, name = tempfile.mkstemp(prefix=".tmp-", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o644)
            file.write(body)
            file.flush()
            if durable:
                os.fsync(descriptor)
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _make_folder(folder: Path) -> None:
    """Makes the folder and syncs its entry too, else a power cut could take away what was acknowledged inside it."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        try:
            folder.mkdir(exist_ok=True)
        except OSError as exc:
            if exc.errno in (errno.ENOSPC, errno.EDQUOT):
                raise  # that may pass
            why = "there is a file of that name" if folder.exists() else exc.strerror
            raise SetupError(f"can't make the folder {folder}: {why}") from exc
        _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
