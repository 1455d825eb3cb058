"""The pages: what they say, where their links lead, and what is done by them."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest
from tests.web_made import put_shard, record, served

from counterfoil.display import printable
from counterfoil.manifest import shard_of
from counterfoil.web_documents import neighbours, page_numbers
from counterfoil.web_rows import row_of
from counterfoil.web_site import amount

HOSTILE = (
    "<script>alert(1)</script>.pdf",
    '"><img src=x onerror=alert(1)>.pdf',
    "'; alert(1) //.pdf",
    "{{ 7 * 7 }}{% raw %}.pdf",
    "a/../../etc/passwd",
    "a%2f..%2fb%.pdf",
    "a?b=c&d#e.pdf",
    "line\nbreak\r\n.pdf",
    "\u202egnp.fdp",
    "x" * 900 + ".pdf",
    "javascript:alert(1)",
    " ",
)
EVIL = "<script>alert('x')</script><b onmouseover=alert(1)>\"'"


async def test_the_overview_counts_groups_and_links():
    """Every figure that has documents behind it leads to them."""
    records = {
        "a": record(findings=["lines.sum"]),
        "b": record("review", findings=["lines.sum", "dates.due"]),
        "c": record("failed", reason="300 pages are too many"),
        "d": record("failed", reason="201 pages are too many"),
        "e": record("pending"),
        "z.zip": record(reader="container"),
    }
    async with served(records) as browser:
        page = (await browser.get("/")).text
        text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
        assert "4 of 5 documents finished" in text
        assert "no worker is alive: run it again to go on" in text
        links = {unescape(found) for found in re.findall(r'href="(/documents\?[^"]*)"', page)}
        assert "/documents?finding=lines.sum" in links
        for link, number in (("status=failed", 2), ("finding=lines.sum", 2), ("status=container", 1)):
            assert f"<strong>{number}</strong> document" in (await browser.get(f"/documents?{link}")).text
        reason = next(link for link in links if "reason=" in link)
        assert "<strong>2</strong> documents" in (await browser.get(reason)).text


async def test_an_empty_out_is_no_error():
    """A run may still be listing its source."""
    async with served({}) as browser:
        assert "of 0 documents" in re.sub(r"<[^>]+>", "", (await browser.get("/")).text)
        assert "There is no document yet." in (await browser.get("/documents")).text


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_name_is_text_and_its_link_leads_to_it(name: str):
    """Whatever it is made of."""
    async with served({name: record()}) as browser:
        page = (await browser.get("/documents")).text
        assert "<script>alert" not in page
        assert "<img" not in page
        assert "49" not in re.findall(r'class="open"[^>]*>(.*?)</a>', page, re.S)[0] or "7 * 7" not in name
        link = unescape(re.findall(r'class="open" href="([^"]*)"', page)[0])
        document = await browser.get(link)
        assert document.status_code == 200
        assert printable(name) in unescape(document.text)
        assert "\u202e" not in document.text


async def test_what_a_document_says_is_text():
    """Every field, finding, reason and event of a record."""
    fields = dict.fromkeys(("number", "date", "seller", "currency"), EVIL)
    event = {"at": "2026-03-02T09:00:00Z", "event": EVIL, "by": EVIL, EVIL: EVIL}
    evil = record("review", findings=[EVIL], reader=EVIL, reason=EVIL, **fields) | {"history": [event]}
    failed = record("failed", reason=EVIL)
    async with served({"a": evil, "b": failed}) as browser:
        for path in ("/", "/documents", "/documents/a", f"/documents?q={EVIL}&seller={EVIL}&reason={EVIL}&min={EVIL}"):
            page = (await browser.get(path)).text
            assert "<script>alert" not in page, path
            assert "<b onmouseover" not in page, path
            assert "\"'" not in page.replace('"\'"', ""), path


async def test_a_list_is_shown_in_pages():
    """And a page that does not exist is the last."""
    async with served({f"{n:03}.pdf": record() for n in range(120)}) as browser:
        first = (await browser.get("/documents?size=50&sort=-document")).text
        assert re.findall(r"<bdi>(\d+).pdf", first)[:2] == ["119", "118"]
        assert 'href="/documents?sort=-document&amp;size=50&amp;page=2"' in first
        last = (await browser.get("/documents?size=50&page=99")).text
        assert re.findall(r"<bdi>(\d+).pdf", last) == [f"{n:03}" for n in range(100, 120)]


def test_page_numbers_are_few():
    """The ends, and those around."""
    assert page_numbers(1, 1) == [1]
    assert page_numbers(6, 1000) == [1, None, 4, 5, 6, 7, 8, None, 1000]


def test_neighbours_are_those_of_the_list():
    """Of one that is not in it, the first comes next."""
    rows = [row_of(name, record()) for name in "abc"]
    assert neighbours(rows, "b") == (2, "a", "c")
    assert neighbours(rows, "a") == (1, None, "b")
    assert neighbours(rows, "c") == (3, "b", None)
    assert neighbours(rows, "x") == (None, None, "a")


async def test_a_document_leads_to_the_next_of_the_filter():
    """And back to the very list."""
    records = {"a": record("failed"), "b": record(), "c": record("failed")}
    async with served(records) as browser:
        page = (await browser.get("/documents/a?status=failed")).text
        assert 'rel="next" href="/documents/c?status=failed"' in page
        assert 'id="to-list" href="/documents?status=failed"' in page
        assert 'rel="prev"' not in page
        missing = await browser.get("/documents/nope")
        assert (missing.status_code, "no such document" in missing.text) == (404, True)


async def test_those_chosen_go_back_to_pending():
    """Each recorded in its history; one that is not finished stays, so does a person's work, and both are told."""
    records = {"a\n%41": record("failed"), "b": record(), "c": record("running"), "d": record("failed")}
    records["bb"] = {**record("review"), "corrections": {"gross_total": "1.00"}}
    async with served(records) as browser:
        fields = [("csrf", await browser.csrf()), ("query", "status=failed&page=1"), ("action", "retry")]
        values = re.findall(r'name="document" value="(.*?)"', (await browser.get("/documents")).text)
        answer = await browser.post("/documents", [*fields, *(("document", value) for value in [*values[:4], "1.x"])])
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/documents?status=failed&did=retry")
        page = (await browser.get(answer.headers["location"])).text
        assert "2 documents back to pending, for the next run to read; 3 left as they are" in page
        read = browser.site.watch.manifest
        records = {name: await read.get(name) or {} for name in records}
        statuses = [record["status"] for record in records.values()]
        assert statuses == ["pending", "pending", "running", "failed", "review"]
        assert records["a\n%41"]["history"][-1]["event"] == "retried"


async def test_only_what_is_still_as_it_was_shown_is_approved():
    """In the name of who did it; a document that changed meanwhile is left, and so is one that failed."""
    async with served({"a": record("review"), "b": record(), "c": record("failed")}) as browser:
        fields = [("csrf", await browser.csrf()), ("action", "approve")]
        values = re.findall(r'name="document" value="(.*?)"', (await browser.get("/documents")).text)
        manifest = browser.site.watch.manifest
        shard = (await manifest.read_shard(shard_of("b", 2))).records
        changed = {**shard["b"], "history": [*shard["b"]["history"], {"at": "2026-03-02T10:00:00Z", "event": "x"}]}
        await put_shard(manifest.store, shard_of("b", 2), {**shard, "b": changed}, version=2)
        await browser.post("/reviewer", [*fields, ("name", " Anna  Ö. "), ("back", "/documents")])
        answer = await browser.post("/documents", [*fields, *(("document", value) for value in values)])
        page = (await browser.get(answer.headers["location"])).text
        assert "1 document approved; 2 left as they are" in page
        event = (await manifest.get("a") or {})["history"][-1]
        assert (event["event"], event["by"]) == ("approved", "Anna Ö.")
        assert (await manifest.get("b") or {})["status"] == "done"


async def test_all_of_a_list_are_approved_only_as_it_was_shown():
    """What came to it meanwhile nobody has seen: then nothing is approved, and that is said."""
    async with served({"a": record("review"), "b": record("review")}, shards=1) as browser:
        store = browser.site.watch.manifest.store
        for status, approved in ((409, 0), (303, 3)):
            page = (await browser.get("/documents?status=review")).text
            form = [(name, re.findall(f'name="{name}" value="(.*?)"', page)[0]) for name in ("csrf", "query", "digest")]
            if approved == 0:
                await put_shard(store, 0, {name: record("review") for name in "abc"}, version=2)
            answer = await browser.post("/documents", [*form, ("action", "approve"), ("all", "yes")])
            assert answer.status_code == status
            assert browser.site.watch.index.total.statuses["approved"] == approved


async def test_who_nobody_knows_approves_nothing():
    """Behind a token nobody has a name before they gave it; one is a line of text, and leads nowhere else."""
    token = "open-sesame-0123456789"
    async with served({"a": record("review")}, token=token) as browser:
        await browser.get(f"/?token={token}")
        fields = [("csrf", await browser.csrf()), ("action", "approve"), ("document", "1.a")]
        assert (await browser.post("/documents", fields)).status_code == 400
        for name in ("", " ", "x" * 61, "a\0b"):
            assert (await browser.post("/reviewer", [*fields, ("name", name)])).status_code == 400
        for back, leads in (
            ("//evil.example", "/"),
            ("http://evil.example", "/"),
            ("/documents?q=1", "/documents?q=1"),
        ):
            answer = await browser.post("/reviewer", [*fields, ("name", "Bob <b>"), ("back", back)])
            assert answer.headers["location"] == leads
        assert "<bdi>Bob &lt;b&gt;</bdi>" in (await browser.get("/")).text
        assert (await browser.post("/documents", fields)).status_code == 303


async def test_all_of_a_filter_go_back_to_pending():
    """As the filter finds them when it is done, not only those on the page."""
    async with served({f"{n:03}": record("failed" if n % 2 else "done") for n in range(130)}) as browser:
        fields = [("csrf", await browser.csrf()), ("query", "status=failed"), ("action", "retry"), ("all", "yes")]
        await put_shard(browser.site.watch.manifest.store, 0, {"late": record("failed")}, version=2)
        await browser.post("/documents", fields)
        await browser.site.watch.look()
        statuses = browser.site.watch.index.total.statuses
        assert statuses["failed"] == 0
        assert (await browser.site.watch.manifest.get("late") or {})["status"] == "pending"


async def test_an_action_that_does_not_exist_is_refused():
    """And nothing that a link says is told as if it had happened."""
    async with served({"a": record("failed")}) as browser:
        fields = [("csrf", await browser.csrf()), ("document", "a")]
        assert (await browser.post("/documents", [*fields, ("action", "delete")])).status_code == 400
        page = (await browser.get("/documents?did=<b>you+won</b>&changed=1&refused=x")).text
        assert "you won" not in page
        assert (await browser.get(f"/documents?did=retry&changed={'9' * 5000}")).status_code == 200


async def test_a_form_has_an_end():
    """Nobody fills the memory of the server."""
    async with served({}) as browser:
        await browser.get("/")
        answer = await browser.post("/documents", [("document", "x" * 5_000_000)])
        assert answer.status_code == 413


def test_money_is_exact_and_legible():
    """At least two decimals, none taken away."""
    assert [amount(text) for text in ("1234567.5", "-0.1", "1", "0.12345", "", None)] == [
        "1,234,567.50",
        "-0.10",
        "1.00",
        "0.12345",
        "",
        "",
    ]


def test_the_pictures_of_the_docs_are_small():
    """`python -m tests.screenshots` takes them; a repository keeps each for ever."""
    pictures = sorted((Path(__file__).parent.parent / "docs" / "images").glob("*.png"))
    assert len(pictures) >= 6
    assert all(picture.stat().st_size < 200_000 for picture in pictures)
