"""The process around the command line: its streams, its errors, its end.

Every error becomes one sentence and an exit code; no traceback reaches a user unless COUNTERFOIL_DEBUG asks for it. It
knows nothing of the commands themselves: those are `cli`, imported when they are run. The processes that read documents
import this module too, since it is the main one, and have no use for them.
"""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import NoReturn

from .errors import CounterfoilError


def main() -> NoReturn:
    """The console script: runs the command, and turns every error into one sentence and an exit code."""
    _mend_streams()
    code = 2
    try:
        done = _invoke()
        with suppress(BrokenPipeError):
            sys.stdout.flush()
        code = done
    except KeyboardInterrupt:
        code = 130
    except CounterfoilError as exc:
        _complain(str(exc))
    except Exception as exc:
        if os.environ.get("COUNTERFOIL_DEBUG"):
            raise
        _complain(_unexpected(exc))
    _leave(code)


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
    import click

    from .display import printable

    click.echo(f"counterfoil: {printable(sentence)}", err=True)


def _leave(code: int) -> NoReturn:
    """Ends the process at once: a command has closed what it opened, and native threads of store clients can abort an
    exit that goes through the interpreter's end."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _invoke() -> int:
    from asyncio import CancelledError

    import click

    from .cli import cli

    try:
        outcome = cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        return 130
    except CancelledError:
        return 130
    except click.ClickException as exc:
        exc.show()
        return exc.exit_code
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else 1
    return outcome if isinstance(outcome, int) else 0
