"""The process around the command line: its streams, its errors, its end.

Every error becomes one sentence and an exit code; no traceback reaches a user unless COUNTERFOIL_DEBUG asks for it. It
knows nothing of the commands themselves: those are `cli`.
"""

from __future__ import annotations

import asyncio
import atexit
import errno
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from io import TextIOWrapper

import click

from .cli import cli
from .errors import CounterfoilError


def main() -> None:
    """The console script: runs the command, and turns every error into one sentence and an exit code."""
    leave = _Leave()
    atexit.register(leave)  # the first to be registered is the last to run
    _mend_streams()
    try:
        code = _invoke()
        with suppress(BrokenPipeError):
            sys.stdout.flush()
        leave.code = code
    except KeyboardInterrupt:
        leave.code = 130
    except CounterfoilError as exc:
        _complain(str(exc))
    except Exception as exc:
        if os.environ.get("COUNTERFOIL_DEBUG"):
            raise
        _complain(_unexpected(exc))
    sys.exit(leave.code)


def _unexpected(exc: Exception) -> str:
    """What stdout could not take, else a defect of ours: nothing is lost by it, and nobody should meet a traceback."""
    if isinstance(exc, OSError) and exc.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF):
        return f"can't write to stdout: {exc.strerror}; nothing that was recorded is lost"
    return (
        f"internal error ({type(exc).__name__}: {exc}); nothing that was recorded is lost. "
        "Please report it, with what COUNTERFOIL_DEBUG=1 prints"
    )


def _mend_streams() -> None:
    """A stream that was closed takes and forgets; a character that an encoding lacks is written as an escape."""
    sys.stdout, sys.stderr = (stream or open(os.devnull, "w") for stream in (sys.stdout, sys.stderr))  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _complain(sentence: str) -> None:
    from .display import printable

    click.echo(f"counterfoil: {printable(sentence)}", err=True)


@dataclass
class _Leave:
    """Ends the process after every other exit handler: native threads of store clients can abort a later exit."""

    code: int = 2

    def __call__(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(self.code)


def _invoke() -> int:
    try:
        outcome = cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        return 130
    except asyncio.CancelledError:
        return 130
    except click.ClickException as exc:
        exc.show()
        return exc.exit_code
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else 1
    return outcome if isinstance(outcome, int) else 0
