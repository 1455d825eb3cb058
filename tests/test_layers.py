"""The floors of the house: imports only go down, so each room can be understood without those above it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import counterfoil

PACKAGE = Path(counterfoil.__file__).parent
MODULES = sorted(path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__")
# From the roof down. A module may import from floors below, and from rooms of its own floor as long as no circle comes
# of it. A new module belongs to a floor: write it here.
FLOORS = [
    "__main__ cli_main",
    "cli",
    "cli_*",
    "distribute_main",
    "distribute distribute_worker",
    "distribute_crew distribute_local distribute_ray distribute_view",
    "distribute_order",
    "command_* lab",
    "web_*",
    "lab_*",
    "views",
    "display metrics traces export* audit audit_* tables",
    "pipeline pipeline_batch",
    "parts ahead adoption arrivals",
    "batch_submit",
    "batch_watch batch_answers",
    "asking",
    "judging",
    "settings",
    "reviewing viewing",
    "rechecking",
    "brake cost_limit outcome duplicates suspects watch",
    "extract",
    "rereading",
    "corrections",
    "extract_model checks* reader worker results source",
    "schema_load",
    "schema_answer",
    "containers",
    "containers_mail containers_msg pages_docx pages_html pages_xlsx",
    "pages_flow containers_zip containers_names envelope",
    "einvoice* images pdf* ocr_pages ocr_picture ocr_rapid ocr_tesseract ocr_words rules* prompt model_answer liveness "
    "deeds claims tallies lookout transitions transitions_batch transitions_review batch_book batch_turns",
    "manifest register",
    "commit",
    "locations layout places ocr model model_* batch batch_http batch_openai batch_anthropic prices pace pace_* "
    "offload spend events logs queue_sqs",
    "store_*",
    "score_truth",
    "score",
    "form schema_strict schema_columns",
    "store document",
    "amounts dates clock invoice invoice_* jsonfile",
    "s3_events",
    "allowance cores countries currencies distribute_spread errors kinds lifeline tasks",
]
HEAVY = {"pydantic", "lxml", "pypdfium2", "obstore", "aiohttp", "rich", "stdnum", "genai_prices", "boto3", "openpyxl"}
HEAVY |= {
    "jsonschema_rs",
    "olefile",
    "pyarrow",
    "pebble",
    "PIL",
    "pydantic_ai",
    "anthropic",
    "google",
    "httpx2",
    "anyio",
    "starlette",
    "uvicorn",
    "jinja2",
    "prometheus_client",
    "opentelemetry",
    "markupsafe",
}


def floor_of(module: str) -> int:
    """Counted from the roof; a name that is written out goes before a pattern."""
    for matches in (lambda name: name == module, lambda name: fnmatch(module, name)):
        for number, rooms in enumerate(FLOORS):
            if any(matches(name) for name in rooms.split()):
                return number
    raise AssertionError(f"{module} is on no floor")


def nodes(tree: ast.AST, *, run_at_import: bool) -> Iterator[ast.AST]:
    """Everything in a module, or only what runs when it is imported."""
    for node in ast.iter_child_nodes(tree):
        late = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or (
            isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        )
        if not (run_at_import and late):
            yield node
            yield from nodes(node, run_at_import=run_at_import)


def imports(module: str, *, run_at_import: bool) -> set[str]:
    """The rooms of ours that a module imports."""
    found: set[str] = set()
    tree = ast.parse((PACKAGE / f"{module}.py").read_text())
    for node in nodes(tree, run_at_import=run_at_import):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            found |= {node.module.partition(".")[0]} if node.module else {alias.name for alias in node.names}
    return found & set(MODULES)


def foreign(module: str) -> set[str]:
    """The packages of others that a module names, wherever."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((PACKAGE / f"{module}.py").read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.partition(".")[0])
    return found


def test_what_is_asked_here_can_be_found():
    """The house has rooms, and known imports of each kind are seen."""
    assert {"commit", "store", "cli", "errors"} <= set(MODULES)
    assert "store_cloud" in imports("locations", run_at_import=False)
    assert "store_cloud" not in imports("locations", run_at_import=True)
    assert {"worker", "manifest"} <= imports("source", run_at_import=True)
    assert "click" in foreign("cli")


@pytest.mark.parametrize("module", MODULES)
def test_imports_only_go_down(module: str):
    """Also those inside functions and for type checkers."""
    above = {name for name in imports(module, run_at_import=False) if floor_of(name) < floor_of(module)}
    assert not above, f"{module} imports {sorted(above)}, which are above it"


def test_no_module_imports_itself_by_way_of_others():
    """A circle at import time works only from one of its ends."""
    graph = {module: imports(module, run_at_import=True) for module in MODULES}
    assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)


@pytest.mark.parametrize("module", [name for name in MODULES if not fnmatch(name, "cli*")])
def test_only_the_command_line_knows_click(module: str):
    """The rest can be used from Python without it."""
    assert "click" not in foreign(module)


def test_the_manifest_knows_nothing_of_invoices():
    """Whoever has only the problem of the shared file need not read what an invoice is."""
    below, waiting = set[str](), ["manifest"]
    while waiting:
        new = imports(waiting.pop(), run_at_import=False) - below
        below |= new
        waiting += new
    assert not below & {"invoice", "document", "reader", "checks", "extract", "model", "worker", "transitions"}


@pytest.mark.parametrize("module", ["cli", "manifest"])
def test_nothing_heavy_is_imported_before_it_is_needed(module: str):
    """`--help` does not wait for what only a run needs."""
    code = f"import sys, counterfoil.{module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert f"counterfoil.{module}" in loaded
    assert not HEAVY & set(loaded)
