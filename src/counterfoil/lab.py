"""`counterfoil lab`: runs one lab, prints its table, writes its page. It measures nothing: `lab_race` and others do."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from .errors import SetupError
from .lab_page import page
from .lab_svg import standalone
from .lab_trace import Measured


async def run_lab(name: str, *, as_json: bool, output: str | None, pictures: str | None, **options: Any) -> None:
    """Runs the lab `name` with the options of its setting; Ctrl-C and SIGTERM end it with nothing left behind."""
    target = Path(output or f"counterfoil-lab-{name}.html")
    folder = Path(pictures) if pictures else None
    _check_folders(target.parent, folder)
    _obey_sigterm()
    setting, lab = _labs()[name]
    measured = await lab(setting(**options))
    _write(target, page(measured))
    if folder:
        for picture in measured.pictures:
            _write(folder / f"{name}-{picture.name}.svg", standalone(picture))
    if as_json:
        _print_json(measured.as_json() | {"page": str(target)})
    else:
        _print_table(measured)
        sys.stderr.write(f"the timeline is in {target}\n")


def _check_folders(*folders: Path | None) -> None:
    """Said before half a minute of measuring, not after."""
    for folder in folders:
        if folder and not folder.is_dir():
            raise SetupError(f"{folder}: there is no such folder")


def _labs() -> Mapping[str, tuple[Callable[..., Any], Callable[[Any], Awaitable[Measured]]]]:
    from .lab_offload import OffloadSetting, offload
    from .lab_overlap import OverlapSetting, overlap
    from .lab_race import RaceSetting, race

    return {"race": (RaceSetting, race), "overlap": (OverlapSetting, overlap), "offload": (OffloadSetting, offload)}


def _obey_sigterm() -> None:
    task = asyncio.current_task()
    assert task is not None
    with suppress(NotImplementedError, RuntimeError):
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise SetupError(f"can't write {path}: {exc.strerror}") from exc


def _print_json(value: object) -> None:
    import orjson

    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _print_table(measured: Measured) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    width = None if sys.stdout.isatty() else max(160, shutil.get_terminal_size().columns)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(measured.columns):
        table.add_column(column.heading, justify="right" if number else "left", overflow="fold")
    for row in measured.rows:
        table.add_row(*(column.text(row) for column in measured.columns), style="red" if row.get("lost") else None)
    console = Console(width=width, highlight=False)
    console.print(measured.conditions, markup=False)
    console.print(table)
