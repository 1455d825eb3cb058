"""`--schema`: the user's own Pydantic model or JSON Schema, found, imported and made ready to ask by.

It promises one sentence for whatever is wrong with it, before a run begins. A `.py` file or module is imported, which
runs its code; nothing else does. It never fetches a reference.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import json
import re
import sys
import traceback
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import cast

from pydantic import BaseModel
from pydantic.errors import PydanticUserError

from .errors import SetupError
from .form import Form, OwnSchema
from .prompt import SCHEMA_INSTRUCTIONS
from .schema_answer import Check, json_schema_check, parse_as, pydantic_check
from .schema_columns import columns_of
from .schema_strict import MOST_CHARACTERS, Node, resolved, strict_schema, types

MOST_BYTES = 1_000_000
_WAYS = "write FILE.py:CLASS, PACKAGE.MODULE:CLASS or FILE.json"


def load_schema(spec: str) -> OwnSchema:
    """The schema that `FILE.py:CLASS`, `PACKAGE.MODULE:CLASS` or `FILE.json` names. Raises `SetupError`."""
    try:
        if spec.endswith(".json"):
            return _json_schema(Path(spec))
        where, colon, name = spec.rpartition(":")
        if not colon or not where or not name:
            raise SetupError(f"it names no class: {_WAYS}")
        return _pydantic_model(where, name)
    except SetupError as exc:
        raise SetupError(f"--schema {spec}: {exc}") from exc


def _json_schema(path: Path) -> OwnSchema:
    body = _read(path)
    try:
        schema = json.loads(body, parse_float=Decimal)
    except (ValueError, RecursionError) as exc:
        raise SetupError(f"it is not JSON: {exc}") from exc
    if not isinstance(schema, dict):
        raise SetupError("it is not a JSON Schema: the file must hold one JSON object")
    node = cast("Node", schema)
    name = str(node.get("title") or path.name.removesuffix(".json").removesuffix(".schema"))
    check = json_schema_check(node)
    return _own(name, node, json.loads(body), check, hashlib.sha256(body).hexdigest(), decimals=True)


def _pydantic_model(where: str, name: str) -> OwnSchema:
    module, source = _from_file(Path(where)) if where.endswith(".py") else _from_package(where)
    model = getattr(module, name, None)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        there = [n for n, m in vars(module).items() if isinstance(m, type) and issubclass(m, BaseModel)]
        names = ", ".join(n for n in there if n != "BaseModel") or "none"
        raise SetupError(f"{where} has no Pydantic model {name}; those it has: {names}")
    try:
        schema = model.model_json_schema()
    except PydanticUserError as exc:
        raise SetupError(f"{name} has no JSON Schema: {str(exc).partition(chr(10))[0]}") from exc
    digest = hashlib.sha256(name.encode() + b"\0" + source + json.dumps(schema, sort_keys=True).encode()).hexdigest()
    return _own(name, schema, schema, pydantic_check(model), digest, decimals=False)


def _own(name: str, schema: Node, asked: Node, check: Check, digest: str, *, decimals: bool) -> OwnSchema:
    """`asked` is `schema` with floats where that has decimals: it goes out as JSON."""
    if types(resolved(asked, asked)) != ("object",):
        raise SetupError("a document is one JSON object, and this is no schema of one: name the fields of an object")
    try:
        strict = strict_schema(asked, lenient=True)
        columns = columns_of(asked, decimals=decimals)
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise SetupError(f"it is no JSON Schema that can be read: {type(exc).__name__}: {exc}") from exc
    size = len(json.dumps(strict))
    if size > MOST_CHARACTERS:
        raise SetupError(f"the schema is too large to go with every call: {size:,} characters of {MOST_CHARACTERS:,}")
    sent = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:64] or "document"  # what providers take for a name
    form = Form(sent, strict, SCHEMA_INSTRUCTIONS, partial(parse_as, name, schema, check))
    return OwnSchema(name, digest[:16], columns, form)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            body = file.read(MOST_BYTES + 1)
    except OSError as exc:
        raise SetupError(f"can't read it: {exc.strerror}") from exc
    if len(body) > MOST_BYTES:
        raise SetupError(f"it has more than {MOST_BYTES:,} bytes")
    return body


def _from_file(path: Path) -> tuple[ModuleType, bytes]:
    source = _read(path)
    name = f"counterfoil_schema_{hashlib.sha256(source).hexdigest()[:16]}"
    folder = str(path.resolve().parent)
    if folder not in sys.path:  # as for a script: it may import what lies beside it
        sys.path.append(folder)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec and spec.loader, "a name that ends in .py has a loader"
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as exc:
        raise SetupError(_told(exc, str(path))) from exc
    return module, source


def _from_package(where: str) -> tuple[ModuleType, bytes]:
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        module = importlib.import_module(where)
    except Exception as exc:
        raise SetupError(_told(exc, where)) from exc
    try:
        return module, inspect.getsource(module).encode()
    except (OSError, TypeError):  # it has no source, only code
        return module, b""


def _told(exc: Exception, where: str) -> str:
    """What went wrong when a user's code was imported, and in which line of it."""
    if isinstance(exc, SyntaxError):
        return f"line {exc.lineno} of {exc.filename or where}: {exc.msg}"
    if isinstance(exc, ModuleNotFoundError) and exc.name and (exc.name == where or where.startswith(f"{exc.name}.")):
        return f"there is no module {exc.name}; {_WAYS}"
    frames = [
        frame for frame in traceback.extract_tb(exc.__traceback__) if Path(frame.filename).name == Path(where).name
    ]
    line = f"line {frames[-1].lineno} of " if frames else ""
    return f"{line}{where}: {type(exc).__name__}: {str(exc).strip().partition(chr(10))[0]}"
