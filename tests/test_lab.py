"""The labs, as users run them: the laws that their tables show, pages that stand alone, and nothing left behind.

No test looks at a time that was measured.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import click
import pytest

from counterfoil.cli_lab import lab
from counterfoil.document import Limits
from counterfoil.errors import Conflict, SetupError
from counterfoil.lab_overlap import (
    acquire_then_spawn,
    all_at_once,
    most_at_once,
    one_by_one,
    spawn_then_acquire,
    waiting,
)
from counterfoil.lab_pdf import long_invoice
from counterfoil.lab_store import Delays, DistantStore, place
from counterfoil.lab_svg import standalone
from counterfoil.lab_trace import Bar, Lane, Picture
from counterfoil.locations import open_store
from counterfoil.pdf import read_pdf
from counterfoil.store_memory import MemoryStore

DOCS = Path(__file__).resolve().parents[1] / "docs"
TASKS = 20
RACE = ("race", "--tasks", str(TASKS), "--latency", "0.2", "--s3", "5/15")
OVERLAP = ("overlap", "--tasks", "6", "--latency", "0.05", "--limit", "2", "--waiting", "500", "--s3", "1/1")
OFFLOAD = ("offload", "--documents", "3", "--pages", "3", "--s3", "1/1")


def run_lab(
    folder: Path, *arguments: str, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """One lab, run to its end in `folder`, with its temporary files there too."""
    return subprocess.run(
        [sys.executable, "-m", "counterfoil", "lab", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "TMPDIR": str(folder), **(environ or {})},
        timeout=60,
        check=False,
    )


class Outcome:
    """What a lab left: its report by row, its page, and every file in the folder where it ran."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        done = run_lab(folder, *arguments, "--json", "--output", "page.html", "--pictures", ".")
        assert done.returncode == 0, done.stderr
        self.rows: dict[str, dict[str, Any]] = {row["name"]: row for row in json.loads(done.stdout)["rows"]}
        self.page = (folder / "page.html").read_text(encoding="utf-8")
        self.svgs = {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("*.svg")}
        self.files = {path.name for path in folder.iterdir()}


@pytest.fixture(scope="module")
def race(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return Outcome(tmp_path_factory.mktemp("race"), *RACE)


@pytest.fixture(scope="module")
def overlap(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return Outcome(tmp_path_factory.mktemp("overlap"), *OVERLAP)


@pytest.fixture(scope="module")
def offload(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return Outcome(tmp_path_factory.mktemp("offload"), *OFFLOAD)


def test_the_race_has_a_row_for_every_way(race: Outcome):
    """Each with every promised figure."""
    assert list(race.rows) == "unguarded blocking lock lock-processes swap group group-processes".split()
    figures = "name way wall_s times_latency recorded lost gets puts refused cost_usd".split()
    assert all(list(row) == figures and None not in row.values() for row in race.rows.values())
    assert all(row["recorded"] + row["lost"] == TASKS for row in race.rows.values())


def test_the_unguarded_way_loses_updates(race: Outcome):
    """Tasks whose read and write overlap overwrite each other; the last to write is always there."""
    assert 0 < race.rows["unguarded"]["lost"] < TASKS


@pytest.mark.parametrize("way", ["blocking", "lock"])
def test_one_at_a_time_loses_nothing_in_one_process(race: Outcome, way: str):
    """And asks the store twice for every update."""
    row = race.rows[way]
    assert (row["lost"], row["gets"], row["puts"]) == (0, TASKS, TASKS)


def test_a_lock_in_each_of_two_processes_loses_updates_again(race: Outcome):
    """A second process has a lock of its own."""
    assert race.rows["lock-processes"]["lost"] > 0


@pytest.mark.parametrize("way", ["swap", "group", "group-processes"])
def test_compare_and_swap_loses_nothing(race: Outcome, way: str):
    """In one process and in two."""
    assert race.rows[way]["lost"] == 0


def test_one_swap_for_each_update_pays_for_every_refusal(race: Outcome):
    """A write that was refused was a request, too, and so was the read that has to follow."""
    row = race.rows["swap"]
    assert row["refused"] > 0
    assert row["puts"] == row["gets"] == TASKS + row["refused"]


def test_group_commit_needs_fewer_writes_than_there_are_updates(race: Outcome):
    """What waits together goes out together."""
    assert 0 < race.rows["group"]["puts"] < TASKS
    assert race.rows["group"]["gets"] == 1
    assert race.rows["group-processes"]["puts"] < TASKS


def test_the_cost_is_that_of_the_requests_counted(race: Outcome):
    """At the prices given: dollars for a thousand."""
    for row in race.rows.values():
        assert float(row["cost_usd"]) == pytest.approx((row["gets"] * 0.0004 + row["puts"] * 0.005) / 1000, abs=1e-7)


def test_the_price_can_be_another(tmp_path: Path):
    """For a store that is not S3 Standard."""
    rows = Outcome(tmp_path, "race", "--tasks", "2", "--latency", "0.05", "--s3", "1/2", "--price", "0/1000").rows
    assert rows["lock"]["cost_usd"] == "2.0000000"


def test_the_overlap_lab_tells_the_ways_of_starting_apart(overlap: Outcome):
    """By how many waits overlap, and by how many calls have begun when all wait."""
    assert {name: row["overlapped"] for name, row in overlap.rows.items()} == {
        "for": 1,
        "gather": 6,
        "semaphore": 2,
        "bounded": 2,
    }
    assert [row["waiting_begun"] for row in overlap.rows.values()] == [1, 500, 2, 2]


async def test_only_acquire_before_spawn_bounds_memory():
    """A semaphore inside of the task bounds the calls; the tasks are all there."""
    _, many = await waiting(spawn_then_acquire, 2000, 4)
    _, all_of_them = await waiting(all_at_once, 2000, 4)
    _, few = await waiting(acquire_then_spawn, 2000, 4)
    _, one = await waiting(one_by_one, 2000, 4)
    assert min(many, all_of_them) > 20 * max(few, one)


def test_waits_that_only_touch_do_not_overlap():
    """One ends as the other begins."""
    assert most_at_once([Bar("call", 0, 1), Bar("call", 1, 2)]) == 1
    assert most_at_once([Bar("call", 0, 1.1), Bar("call", 1, 2), Bar("call", 1.05, 3)]) == 3


def test_the_offload_lab_measures_the_loop_in_every_way(offload: Outcome):
    """Its lag, in order, and the pace."""
    assert list(offload.rows) == ["loop", "threads", "processes"]
    for row in offload.rows.values():
        assert 0 <= row["lag_p50_ms"] <= row["lag_p99_ms"] <= row["lag_max_ms"]
        assert row["documents_per_s"] > 0


def test_the_big_pdf_is_one_that_counterfoil_reads():
    """Every page has its positions."""
    pages = read_pdf(long_invoice(3), Limits()).pages
    assert len(pages) == 3
    assert "000186" in pages[2].text


@pytest.mark.parametrize(("name", "lanes"), [("race", TASKS), ("overlap", 6), ("offload", 3)])
def test_a_page_is_well_formed_and_has_one_lane_a_task(name: str, lanes: int, request: pytest.FixtureRequest):
    """In every picture; the writer or the loop that all share is a lane of another class."""
    outcome: Outcome = request.getfixturevalue(name)
    body = ElementTree.fromstring(outcome.page.removeprefix("<!DOCTYPE html>\n"))
    pictures = body.findall(".//svg")
    assert len(pictures) == len(outcome.rows) == len(outcome.svgs)
    for picture in pictures:
        assert len(picture.findall("g[@class='lane']")) == lanes
    assert len(body.findall(".//tbody/tr")) == len(outcome.rows)


@pytest.mark.parametrize("name", ["race", "overlap", "offload"])
def test_a_page_loads_nothing_and_runs_nothing(name: str, request: pytest.FixtureRequest):
    """It opens without a network, in light and in dark."""
    page: str = request.getfixturevalue(name).page
    assert not re.search(r"https?:|//|src=|href=|url\(|@import|<script|<link", page)
    assert "prefers-color-scheme:dark" in page


def test_lost_updates_are_red_and_no_others(race: Outcome):
    """Each lost task has its mark."""
    for name, row in race.rows.items():
        lanes = ElementTree.fromstring(race.svgs[f"race-{name}"].encode()).findall("{*}g")
        assert sum(lane.find("{*}path[@class='lost']") is not None for lane in lanes) == row["lost"]


def test_text_in_a_picture_is_only_text():
    """Names can't end their element."""
    picture = Picture("x", "<b> & co", "", 0.0, [Lane("</title>", "a<b", [Bar("call", 0.0, 1.0)])])
    assert "a<b" in "".join(ElementTree.fromstring(standalone(picture).encode()).itertext())


@pytest.mark.parametrize("name", ["race", "overlap", "offload"])
def test_a_lab_leaves_only_what_was_asked_for(name: str, request: pytest.FixtureRequest):
    """Its page and its pictures."""
    outcome: Outcome = request.getfixturevalue(name)
    assert outcome.files == {"page.html", *(f"{stem}.svg" for stem in outcome.svgs)}


def test_the_table_is_for_people_and_the_page_has_a_name_of_its_own(tmp_path: Path):
    """Without any option about output."""
    done = run_lab(tmp_path, "race", "--tasks", "2", "--latency", "0.05", "--s3", "1/2")
    assert done.returncode == 0, done.stderr
    assert all(words in done.stdout for words in ("asyncio.Lock, two processes", "group commit", "lost", "$0.0000108"))
    assert [path.name for path in tmp_path.iterdir()] == ["counterfoil-lab-race.html"]


def test_a_folder_of_the_user_is_left_as_it_was(tmp_path: Path):
    """The lab works beside what is there."""
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "manifest.json").write_text("mine")
    done = run_lab(tmp_path, "race", "--tasks", "4", "--latency", "0.05", "--store", str(mine))
    assert done.returncode == 0, done.stderr
    assert "with its own latency" in " ".join(done.stdout.split())
    assert [(path.name, path.read_text()) for path in mine.iterdir()] == [("manifest.json", "mine")]


async def test_a_bucket_of_the_user_is_left_as_it_was(tmp_path: Path, s3: Mapping[str, str], bucket: str):
    """A real S3 server; the same laws."""
    store = open_store(f"s3://{bucket}", s3)
    await store.put("x/mine", b"mine")
    command = ("race", "--tasks", "10", "--latency", "0.1", "--s3", "5/15", "--store", f"s3://{bucket}/x", "--json")
    done = await asyncio.to_thread(lambda: run_lab(tmp_path, *command, environ=s3))
    assert done.returncode == 0, done.stderr
    lost = {row["name"]: row["lost"] for row in json.loads(done.stdout)["rows"]}
    assert lost["unguarded"] > 0
    assert lost["lock"] == lost["swap"] == lost["group"] == lost["group-processes"] == 0
    assert [entry.key async for entry in store.list()] == ["x/mine"]


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_lab_leaves_nothing(tmp_path: Path, by: signal.Signals):
    """No page, no folder, and no traceback."""
    process = subprocess.Popen(
        [sys.executable, "-m", "counterfoil", "lab", "race", "--latency", "0.3"],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("counterfoil-lab-*/manifest.json")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(by)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said.strip(), list(tmp_path.iterdir())) == (130, "", [])


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--store", "memory://x"), "two processes"),
        (("--store", "nowhere"), "no such folder"),
        (("--store", "ftp://x/y"), "unknown scheme"),
        (("--s3", "30"), "like 30/60"),
        (("--s3", "nan/1"), "like 30/60"),
        (("--price", "a/b"), "like 0.0004/0.005"),
        (("--output", "nowhere/page.html"), "no such folder"),
        (("--pictures", "nowhere"), "no such folder"),
    ],
)
def test_an_error_is_one_sentence(tmp_path: Path, arguments: tuple[str, ...], word: str):
    """Said before anything is measured, with nothing left."""
    done = run_lab(tmp_path, "race", *arguments)
    assert done.returncode == 2
    assert word in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_place_is_gone_even_after_a_failure(tmp_path: Path):
    """Whatever was written there."""

    async def fail() -> None:
        async with place(str(tmp_path), None) as where:
            await where.store().put("a/b", b"x")
            raise SetupError("as if")

    with pytest.raises(SetupError, match="as if"):
        asyncio.run(fail())
    assert list(tmp_path.iterdir()) == []


async def test_a_distant_store_tells_of_every_request():
    """Also of those that were refused."""
    told: list[str] = []
    store = DistantStore(MemoryStore(), Delays(0, 0), lambda kind, start, end: told.append(kind))
    await store.put_new("a", b"1")
    found = await store.get("a")
    assert found is not None
    await store.put_if("a", b"2", found.tag)
    with pytest.raises(Conflict):
        await store.put_if("a", b"3", found.tag)
    assert told == ["write", "read", "write", "refused"]


def test_every_lab_and_option_is_documented():
    """docs/cli.md names each of them."""
    text = (DOCS / "cli.md").read_text(encoding="utf-8")
    for name, command in lab.commands.items():
        assert f"`counterfoil lab {name}`" in text
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert all(option in text for option in parameter.opts), parameter.opts


def test_the_pictures_of_the_docs_are_there_and_small():
    """Every one that docs/why.md shows, and no others."""
    shown = set(re.findall(r"\(lab/([a-z-]+\.svg)\)", (DOCS / "why.md").read_text(encoding="utf-8")))
    assert shown == {path.name for path in (DOCS / "lab").iterdir()}
    for name in shown:
        body = (DOCS / "lab" / name).read_bytes()
        assert len(body) < 200_000
        ElementTree.fromstring(body)
