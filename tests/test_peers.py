"""The comparison with peers: what it counts and how it says so, with real processes but without any peer installed."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from benchmarks.machine import model_server, s3_server
from benchmarks.model_server import answer, document_key, sample_invoice
from benchmarks.peers.command import main
from benchmarks.peers.contestants import CONTESTANTS, Driven, Trial, write_documents
from benchmarks.peers.measure import Broken, Calls, Ran, Resumed, Whole, counted, resumed, whole
from benchmarks.peers.report import reported_calls, resumed_table, whole_table

ASKED: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": 'INVOICE\nFile name: "a.pdf"\ntext'}]}
OBJECT = {"type": "object", "properties": {"invoice_number": {"type": "string"}}}
BY_NAME = {contestant.name: contestant for contestant in CONTESTANTS}


def told(body: dict[str, Any]) -> dict[str, Any]:
    """The one choice of the server's answer."""
    response = answer(ASKED | body)
    assert isinstance(response.body, bytes)
    return json.loads(response.body)["choices"][0]


def test_a_request_with_tools_is_answered_by_a_call_with_what_the_tool_asks_for():
    """Nothing else, so that a strict client accepts it."""
    choice = told({"tools": [{"type": "function", "function": {"name": "send", "parameters": OBJECT}}]})
    called = choice["message"]["tool_calls"][0]["function"]
    assert (called["name"], json.loads(called["arguments"])) == ("send", {"invoice_number": "a.pdf"})
    assert choice["finish_reason"] == "tool_calls"


def test_a_schema_is_answered_at_any_depth():
    """By name: what it asks for and the invoice has."""
    schema = {"type": "object", "properties": {"found": {"type": "array", "items": {"anyOf": [OBJECT]}}}}
    choice = told({"response_format": {"type": "json_schema", "json_schema": {"schema": schema}}})
    assert json.loads(choice["message"]["content"]) == {"found": [{"invoice_number": "a.pdf"}]}


def test_a_request_without_a_form_is_answered_with_the_whole_invoice():
    """As ever."""
    assert json.loads(told({})["message"]["content"]) == sample_invoice("a.pdf")


def test_a_prompt_in_parts_has_the_key_of_its_document():
    """Some clients send the turn as a list."""
    parts = [{"type": "text", "text": "Read this."}, {"type": "text", "text": 'File name: "a.pdf"\ntext'}]
    assert document_key({"messages": [{"role": "user", "content": parts}]}) == "a.pdf"


def test_a_call_is_repeated_if_its_document_had_been_asked():
    """Calls about no document are no repeats, and a document nobody asked about is none either."""
    stats = {"calls": 7, "refused": 2, "by_key": {"a.pdf": 3, "b.pdf": 1, "0123456789abcdef": 3}}
    assert counted(stats, ["a.pdf", "b.pdf", "c.pdf"]) == Calls(made=4, repeated=2, refused=2, other=3)


def a_whole(wall: float, spend: float | None, unit: str) -> Whole:
    return Whole(Ran(wall, 1.0, 50_000_000), Calls(100, 0, 0, 0), 100, spend, unit, 0.1)


def test_what_a_tool_says_in_dollars_is_told_in_calls_by_its_own_undisturbed_run():
    """A third of the dollars is a third of the calls; calls are calls, and saying nothing is None."""
    assert reported_calls(0.5, a_whole(1, 1.5, "USD")) == pytest.approx(100 / 3)
    assert reported_calls(112, a_whole(1, 100, "calls")) == 112
    assert reported_calls(None, a_whole(1, None, "calls")) is None
    assert reported_calls(0.5, a_whole(1, 0.0, "USD")) is None


def test_the_first_table_says_how_many_times_the_floor_each_took():
    """And a dash where the floor was not measured."""
    runs = {"floor": a_whole(10, 100, "calls"), "other": a_whole(15, None, "calls")}
    cells = [cell.strip() for cell in whole_table(runs, "floor").splitlines()[-1].split("|")[1:-1]]
    assert cells == ["other", "15.00", "1.50", "100", "100", "0", "1.0", "50", "0.10"]
    assert "| - " in whole_table({"other": a_whole(15, None, "calls")}, "floor")


def test_the_second_table_sets_what_was_said_beside_what_was_made():
    """Repeats and the share of spend that the tool knows of."""
    run = Resumed(60, 20, Calls(120, 20, 0, 0), 100, 0.6, 0, 9.0)
    cells = [
        cell.strip()
        for cell in resumed_table({"tool": run}, {"tool": a_whole(10, 1.0, "USD")}).splitlines()[-1].split("|")[1:-1]
    ]
    assert cells == ["tool", "60 + 20", "120", "20", "60 (50%), from USD", "100", "9.00"]


def test_calls_of_unknown_outcome_are_named_beside_the_spend_that_holds_them():
    """They are calls made, and said to be."""
    run = Resumed(60, 20, Calls(120, 20, 0, 0), 100, 120, 20, 9.0)
    assert "| 120 (100%), 20 named as unknown |" in resumed_table({"tool": run}, {"tool": a_whole(10, 100, "calls")})


@pytest.fixture
def trial(tmp_path: Path) -> Generator[Trial]:
    """Twelve documents, four calls at once, a model of 0.2 s."""
    documents = write_documents(tmp_path / "documents", 12)
    folder = tmp_path / "trial"
    folder.mkdir()
    with s3_server(1, 1) as s3, model_server(0.2) as model:
        yield Trial(documents, model, s3, 4, folder)


def test_an_undisturbed_run_is_counted_by_the_server(trial: Trial):
    """Each document once; the time is at least that of three waves."""
    run = whole(BY_NAME["floor"], trial)
    assert (run.calls, run.recorded, run.spend) == (Calls(12, 0, 0, 0), 12, 12)
    assert run.ran.wall_s > 0.6
    assert run.ran.peak > 10_000_000


def test_a_run_that_was_killed_asks_again_and_every_repeat_is_counted(trial: Trial):
    """The first process is gone before the second starts; what was recorded by then isn't asked again."""
    run = resumed(BY_NAME["lock"], trial, grace=0.1)
    assert run.recorded == 12
    assert run.answered >= 6
    assert run.calls.made == 12 + run.calls.repeated
    assert 1 <= run.calls.repeated <= run.flying + 1


def test_a_contestant_that_fails_is_left_out_with_its_last_words(trial: Trial):
    """It must not be measured."""
    with pytest.raises(Broken, match=r"can't open file .*no_driver.py"):
        whole(Driven("none", "no_driver.py", "", ""), trial)


def test_the_command_prints_both_tables(capsys: pytest.CaptureFixture[str]):
    """Here of those that need nothing installed."""
    options = "--documents 8 --latency 0.2 --concurrency 4 --s3 1/1 --only lock"
    assert main(options.split()) == 0
    firsts = [line.split()[1] for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert [first for first in firsts if first.isalpha()] == ["lock", "lock"]
