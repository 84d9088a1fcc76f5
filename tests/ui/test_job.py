"""The page of a job: its state in words, its log, what can be done."""

import html
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import pytest

from scrapy_do.core.job import Finished, Job, Outcome
from scrapy_do.files.record_stats import RecordKind
from scrapy_do.protocol.facts import Progress
from scrapy_do.ui import words
from scrapy_do.ui.outcomes import said
from tests import factories
from tests.ui.browsing import Pages
from tests.world import World

LINE = re.compile(r'id="L([0-9]+)"')


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path).start()
    world.put_project()
    return world


def _log(world: World, job: UUID, lines: Sequence[tuple[int, str]]) -> None:
    """Write lines of a level into the log of a job."""
    world.artifacts.prepare(job)
    log = world.artifacts.records(job, RecordKind.LOGS)
    records = [
        json.dumps({"time": 1_780_000_000_000 + n, "level": level, "message": text}).encode()
        for n, (level, text) in enumerate(lines)
    ]
    log.write(records, now_ms=1)


def _lines(page: str) -> list[int]:
    return [int(found) for found in LINE.findall(page)]


def _ended(outcome: Outcome, reason: str, **fields: Any) -> Job:
    start = factories.START
    return factories.job(
        state=Finished(since=start, started=start, attempt=1, outcome=outcome, reason=reason),
        **fields,
    )


def test_the_last_lines_are_on_the_page(world: World) -> None:
    """The newest 200 lines are there with links, older ones a click away, and all are met once."""
    job = world.enqueue()
    _log(world, job, [(20, f"[a.b] line {n}") for n in range(1, 451)])
    pages = Pages(world)

    page = pages.get(f"/ui/jobs/{job}")
    older = pages.get(f"/ui/jobs/{job}?before=251")
    top = pages.get(f"/ui/jobs/{job}?after=0")

    assert "450 lines" in page
    assert _lines(page) == list(range(251, 451))
    assert f'href="/ui/jobs/{job}?before=251">↑ Older' in page
    assert _lines(older) == list(range(51, 251))
    assert _lines(top) == list(range(1, 201))
    assert f'href="/ui/jobs/{job}?after=200">↓ Newer' in top


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("level=40", [3, 5]),
        ("level=30", [2, 3, 5]),
        ("logger=scrapy.core", [3]),
        ("logger=scrapy", [1, 3]),
        ("text=NEEDLE", [2, 4]),
        ("text=needle&level=30", [2]),
        ("text=nothing", []),
    ],
)
def test_filters_look_at_the_whole_log(world: World, query: str, numbers: list[int]) -> None:
    """Level, logger and text narrow the lines, with the true numbers of both."""
    job = world.enqueue()
    lines = [
        (20, "[scrapy.utils] one"),
        (30, "[shop] a Needle"),
        (40, "[scrapy.core.scraper] wrong"),
        (20, "printed needle"),
        (50, "[scrapyd] worse"),
        *[(20, f"[x] {n}") for n in range(400)],
    ]
    _log(world, job, lines)

    page = Pages(world).get(f"/ui/jobs/{job}?{query}")

    assert _lines(page) == numbers
    assert f"{len(numbers)} of 405 lines" in page


def test_filtered_pages_lead_on(world: World) -> None:
    """Older and newer within a filter meet each matching line once."""
    job = world.enqueue()
    _log(world, job, [(40 if n % 2 else 20, f"[x] {n}") for n in range(1000)])
    pages = Pages(world)

    last = _lines(pages.get(f"/ui/jobs/{job}?level=40"))
    before = _lines(pages.get(f"/ui/jobs/{job}?level=40&before={last[0]}"))
    behind = _lines(pages.get(f"/ui/jobs/{job}?level=40&after={before[-1]}"))

    assert last == list(range(602, 1001, 2))
    assert before == list(range(202, 601, 2))
    assert behind == last


def test_around_a_line_the_filter_is_left(world: World) -> None:
    """A filtered line leads to its neighbours, and is marked among them."""
    job = world.enqueue()
    _log(world, job, [(40 if n == 500 else 20, f"[x] {n}") for n in range(1, 1001)])
    pages = Pages(world)

    found = pages.get(f"/ui/jobs/{job}?level=40")
    around = pages.get(f"/ui/jobs/{job}?around=500")

    assert f'href="/ui/jobs/{job}?around=500#L500">around' in found
    assert 500 in _lines(around)
    assert len(_lines(around)) == 200
    assert 'class="line bad marked" id="L500"' in around


def test_a_traceback_is_folded(world: World) -> None:
    """A long record shows six lines; the others are a click away, in the page."""
    job = world.enqueue()
    _log(world, job, [(40, "[x] wrong\n" + "\n".join(f"line {n}" for n in range(20)))])

    page = Pages(world).get(f"/ui/jobs/{job}")

    assert "line 4<details><summary>15 more lines</summary>line 5\n" in page


def test_colours_become_classes_and_markup_is_text(world: World) -> None:
    """Escape sequences never reach the page, nor does markup as markup."""
    job = world.enqueue()
    _log(
        world, job, [(20, "[x] \x1b[1;31mred <b>\x1b[0m plain \x1b]8;;javascript:x\x07link\x1b[2K")]
    )

    page = Pages(world).get(f"/ui/jobs/{job}")

    assert '<span class="ansi-red ansi-bold">red &lt;b&gt;</span> plain link' in page
    assert "\x1b" not in page
    assert "javascript:" not in page


def test_downloads_are_the_view_or_everything(world: World) -> None:
    """Text and JSON lines hold the lines of the filter, as attachments."""
    job = world.enqueue()
    _log(world, job, [(20, "[x] one"), (40, "[y] two <b>"), (40, "three")])
    pages = Pages(world)

    text = pages.answer(f"/ui/jobs/{job}/log.text?level=40")
    lines = pages.answer(f"/ui/jobs/{job}/log.jsonl?logger=y")

    assert text.headers["content-disposition"].startswith("attachment;")
    assert text.headers["content-type"].startswith("text/plain")
    assert [line.split(" ", 1)[1] for line in text.text.splitlines()] == [
        "ERROR [y] two <b>",
        "ERROR three",
    ]
    assert json.loads(lines.text)["message"] == "[y] two <b>"


def test_a_running_job_is_cancelled_and_run_again(world: World) -> None:
    """Each form leads to a page that shows how it is then."""
    job = world.enqueue(arguments={"category": "books"})
    pages = Pages(world)
    assert f'href="/ui/jobs/{job}/cancel"' in pages.get(f"/ui/jobs/{job}")
    question = pages.get(f"/ui/jobs/{job}/cancel")
    assert "killed if that takes longer than 30 s. The 0 items found so far are kept." in question
    assert f'action="/ui/jobs/{job}/cancel"' in question

    connection = world.do(world.jobs.cancel(job, by="tester", wait_s=0))
    world.pass_time(60)
    page = pages.get(f"/ui/jobs/{job}")
    answer = pages.post(f"/ui/jobs/{job}/again")
    made = UUID(answer.headers["location"].split("/")[3].split("?")[0])

    assert connection.id == job
    assert "tester cancelled it." in page
    assert answer.status == 303
    assert world.job(made).request.arguments == {"category": "books"}
    assert "This is the new job" in pages.get(answer.headers["location"])


def test_a_stopping_job_says_when_it_is_killed_and_can_be_forced(world: World) -> None:
    """Asked when, killed when; by force it is over at once."""
    world.launcher.stubborn_spiders.add("toscrape-css")
    job = world.enqueue()
    pages = Pages(world)
    world.do(world.jobs.cancel(job, by="tester", wait_s=0))
    asked = world.now()
    world.pass_time(12)

    page = pages.get(f"/ui/jobs/{job}")
    question = pages.get(f"/ui/jobs/{job}/cancel")
    answer = pages.post(f"/ui/jobs/{job}/cancel", form={"force": "1"})

    assert "tester asked it to stop." in page
    kill_at = (asked + timedelta(seconds=30)).isoformat(timespec="seconds")
    assert f'what runs is killed <time datetime="{kill_at}">' in page
    assert ">Force</a>" in page
    assert "what it has not written yet is lost" in question
    assert '<input type="hidden" name="force" value="1">' in question
    after = pages.get(answer.headers["location"])
    assert "local cancelled it." in after
    assert "What ran was killed." in after
    assert world.launcher.crawl_of(job).killed == 1


def test_files_of_a_run_are_links(world: World) -> None:
    """Each is downloaded by its name, whatever that is; a run that goes on has none yet."""
    job = world.enqueue()
    assert "when the run has ended" in Pages(world).get(f"/ui/jobs/{job}/files")
    names = ["out.csv", "sub/a b?.txt", "<script>&.html"]
    for name in names:
        path = world.launcher.crawl_of(job).spec.placement.project_dir / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    world.launcher.crawl_of(job).finish()

    page = Pages(world).get(f"/ui/jobs/{job}/files")

    links = [
        html.unescape(one) for one in re.findall(rf'href="/get-file/data/{job}/([^"]*)"', page)
    ]
    assert sorted(map(unquote, links)) == sorted(names)
    assert "<script>&" not in page


def test_a_job_is_deleted_after_a_question(world: World) -> None:
    """The question says what is lost; the answer leads to the list, which says so."""
    job = world.enqueue()
    world.do(world.jobs.cancel(job, by="tester", wait_s=0))
    world.pass_time(60)
    pages = Pages(world)

    question = pages.get(f"/ui/jobs/{job}/delete")
    answer = pages.post(f"/ui/jobs/{job}/delete")

    assert "It has 0 items and 0 log lines." in question
    assert "1 job deleted." in pages.get(answer.headers["location"])
    assert pages.answer(f"/ui/jobs/{job}").status == 404


def test_a_queued_job_says_its_place(world: World) -> None:
    """Which number in the queue, and how many slots are busy."""
    for _ in range(3):
        world.enqueue()
    job = world.enqueue()

    page = Pages(world).get(f"/ui/jobs/{job}")

    assert "Number 2 in the queue; 2 of 2 slots are busy." in page


def test_a_queued_job_says_about_how_long_it_waits(world: World) -> None:
    """Going by what those before it have taken: what runs has so much left, then the one ahead."""
    for _ in range(3):
        _run(world, 1)
    for _ in range(3):
        world.enqueue()
    job = world.enqueue()
    world.pass_time(1)

    page = Pages(world).get(f"/ui/jobs/{job}")

    assert "Number 2 in the queue; 2 of 2 slots are busy, about 3 s." in page
    assert "Nothing is logged yet." in page
    assert ">0 lines</p>" in page


@pytest.mark.parametrize("name", ["nothing", "1b4e28ba-2fa1-11d2-883f-0016d3cca427", "%00"])
def test_an_unknown_job_is_a_page_of_its_own(world: World, name: str) -> None:
    """What names no job is answered with 404 and a way back."""
    answer = Pages(world).answer(f"/ui/jobs/{name}")
    assert answer.status == 404
    assert "No such job" in answer.text


@pytest.mark.parametrize(
    ("outcome", "reason", "sentence"),
    [
        (Outcome.SUCCESSFUL, "finished", "The spider had nothing left to do."),
        (Outcome.SUCCESSFUL, "closespider_itemcount", "a limit of its own: CLOSESPIDER_itemcount"),
        (Outcome.SUCCESSFUL, "enough {x}", "closed itself: enough {x}"),
        (Outcome.FAILED, "killed by signal 9 (memory ran out)", "ran out of memory"),
        (Outcome.FAILED, "killed by signal 11", "by signal 11"),
        (Outcome.FAILED, "exit status 1 before the spider opened", "could not be loaded"),
        (Outcome.FAILED, "exit status 3", "ended by itself with status 3"),
        (Outcome.FAILED, "2 errors and not one response or item", "2 errors were logged"),
        (Outcome.FAILED, "stall_timeout", "Nothing was logged, requested or scraped"),
        (Outcome.FAILED, "odd\nreason", "It failed: odd\nreason."),
        (Outcome.LOST, "the machine was off", "cannot be known: the machine was off"),
    ],
)
def test_an_end_in_words(outcome: Outcome, reason: str, sentence: str) -> None:
    """Every outcome has a sentence; what went wrong also has a next step."""
    told = said(_ended(outcome, reason))

    assert sentence in told.sentence
    assert outcome is Outcome.SUCCESSFUL or told.advice


def test_errors_of_a_successful_crawl_are_pointed_at() -> None:
    """A crawl that went well with errors in its log says so."""
    told = said(_ended(Outcome.SUCCESSFUL, "finished", progress=Progress(errors=1)))
    assert told.advice == "1 error was logged: have a look."


def _write(world: World, job: UUID, kind: RecordKind, *values: Any) -> None:
    """Write records of a job."""
    world.artifacts.prepare(job)
    lines = [json.dumps(value).encode() for value in values]
    world.artifacts.records(job, kind).write(lines, now_ms=1)


def _end(world: World, *jobs: UUID) -> None:
    for job in jobs:
        world.do(world.jobs.cancel(job, by="tester", wait_s=0))
    world.pass_time(60)


def test_items_are_a_table_with_the_coverage_of_each_field(world: World) -> None:
    """Columns are all fields, each with the share of items that have it, and the change of it."""
    before = world.enqueue()
    _write(world, before, RecordKind.ITEMS, *[{"title": "a", "price": 1}] * 4)
    _end(world, before)
    job = world.enqueue()
    _write(world, job, RecordKind.ITEMS, {"title": "<b>", "price": 1}, {"title": "x", "tags": [1]})

    page = Pages(world).get(f"/ui/jobs/{job}/items")

    assert "Items 1 to 2 of 2" in page
    assert re.search(r'title<br><span class="soft">100 %</span>', page)
    assert re.search(r'price<br><span class="soft">50 % <span class="wrong">\(-50\)', page)
    assert "<td>&lt;b&gt;</td><td>1</td>" in page
    assert f'href="/ui/jobs/{before}/items">the run before' in page


@pytest.mark.parametrize(
    ("query", "numbers", "matching"),
    [
        ("field=title&match=contains&text=B", [2, 3], 2),
        ("field=title&match=is&text=b", [2], 1),
        ("field=price&match=empty", [3], 1),
        ("field=price&match=lacks", [2, 4], 2),
        ("field=price&match=has", [1, 3], 2),
        ("field=nothing&match=has", [], 0),
        ("field=price&text=1&start=1", [], 1),
    ],
)
def test_items_are_filtered_by_a_field(
    world: World, query: str, numbers: list[int], matching: int
) -> None:
    """All items are looked through; those that fit keep their numbers, and are counted."""
    job = world.enqueue()
    values: tuple[dict[str, Any], ...] = (
        {"title": "a", "price": 1},
        {"title": "b"},
        {"title": "<Bb>", "price": None},
        {},
    )
    _write(world, job, RecordKind.ITEMS, *values)

    page = Pages(world).get(f"/ui/jobs/{job}/items?{query}")

    found = re.findall(r'<th scope="row" class="n">([0-9]+)</th>', page)
    assert [int(number) for number in found] == numbers
    assert (f"{matching} of 4 items" if matching else "None of 4 items fits") in page


def test_filtered_items_come_in_pages(world: World) -> None:
    """Each page of a filter begins behind the one before; addresses keep the filter."""
    job = world.enqueue()
    _write(world, job, RecordKind.ITEMS, *({"n": n, "odd": n % 2} for n in range(240)))
    pages = Pages(world)

    address = f"/ui/jobs/{job}/items?field=odd&match=is&text=1"
    seen: list[int] = []
    while address:
        page = pages.get(address)
        found = re.findall(r'<th scope="row" class="n">([0-9]+)</th>', page)
        seen.extend(int(number) for number in found)
        links = re.findall(r'rel="next" href="([^"]*)"', page)
        address = html.unescape(links[0]) if links else ""

    assert seen == list(range(2, 241, 2))


def test_items_are_downloaded_in_three_forms(world: World) -> None:
    """A cell is never a formula; large numbers are as they are stored."""
    job = world.enqueue()
    number = 12345678901234567890123
    _write(world, job, RecordKind.ITEMS, {"a": "=1+1", "n": number}, {"a": "-x", "b": {"c": 1}})
    pages = Pages(world)

    table = pages.answer(f"/ui/jobs/{job}/items.csv")
    array = pages.answer(f"/ui/jobs/{job}/items.json")
    lines = pages.answer(f"/ui/jobs/{job}/items.jsonl")

    assert table.text.splitlines() == [
        "a,n,b",
        f"'=1+1,{number},",
        """'-x,,"{""c"": 1}\"""",
    ]
    assert table.headers["content-disposition"].startswith("attachment")
    assert array.json == [{"a": "=1+1", "n": number}, {"a": "-x", "b": {"c": 1}}]
    assert [json.loads(line) for line in lines.text.splitlines()] == array.json
    assert pages.answer(f"/ui/jobs/{world.enqueue()}/items.json").json == []


def test_requests_say_what_became_of_them(world: World) -> None:
    """Answers by class, the wrong ones with their address, the slow hosts."""
    job = world.enqueue()
    _write(
        world,
        job,
        RecordKind.REQUESTS,
        {"url": "http://a.example/1", "status": 200, "method": "GET", "rs": 10, "duration": 20},
        {"url": "http://b.example/<2>", "status": 404, "method": "GET", "rs": 1, "duration": 900},
    )

    page = Pages(world).get(f"/ui/jobs/{job}/requests")

    assert '<th scope="row">4xx</th><td class="n">1</td>' in page
    assert "The first 1 of 1" in page
    assert "http://b.example/&lt;2&gt;" in page
    assert re.search(r"b\.example</th>.*a\.example</th>", page, re.DOTALL)


def test_stats_stand_beside_those_of_the_run_before(world: World) -> None:
    """Each statistic with the value before and the difference; they may be narrowed."""
    before, job = world.enqueue(), world.enqueue()
    _end(world, before)
    for one, count in ((before, 100), (job, 150)):
        progress = Progress(items=count, stats={"item_scraped_count": count, "finish": "<i>"})
        world.do(world.store.jobs.edit(one, lambda job: replace(job, progress=progress)))  # noqa: B023 - called here
    pages = Pages(world)

    page = pages.get(f"/ui/jobs/{job}/stats")

    assert "+50 (+50%)" in page
    assert "&lt;i&gt;" in page
    assert "item_scraped_count" not in pages.get(f"/ui/jobs/{job}/stats?starts=fin")
    assert pages.answer(f"/ui/jobs/{job}/stats.json").json["item_scraped_count"] == 150


def test_arguments_are_shown_but_not_the_values_of_the_environment(world: World) -> None:
    """Everything that the job was given; secrets by their name only."""
    job = world.enqueue(
        arguments={"<a>": "b"}, settings={"LOG_LEVEL": "INFO"}, environment={"TOKEN": "secret!"}
    )

    page = Pages(world).get(f"/ui/jobs/{job}/arguments")

    assert "<code>&lt;a&gt;</code></th><td><code>b</code>" in page
    assert "TOKEN" in page
    assert "secret!" not in page


def test_runs_are_those_with_the_same_arguments(world: World) -> None:
    """Other arguments are another kind of run."""
    same = [world.enqueue(arguments={"page": "1"}) for _ in range(2)]
    other = world.enqueue(arguments={"page": "2"})
    _end(world, *same, other)

    page = Pages(world).get(f"/ui/jobs/{same[0]}/runs")

    assert f"/ui/jobs/{same[1]}" in page
    assert f"/ui/jobs/{other}" not in page
    assert f'href="/ui/compare?jobs={same[0]},{same[1]}"' in page


def test_a_crawl_is_drawn_with_a_table_that_says_the_same(world: World) -> None:
    """Items and pages a minute from the times at which they were stored, memory from samples."""
    job = world.enqueue()
    world.artifacts.prepare(job)
    items = world.artifacts.records(job, RecordKind.ITEMS)
    start_ms = int(world.now().timestamp() * 1000)
    for second, count in ((1, 2), (3, 4)):
        items.write([b'{"a":1}'] * count, now_ms=start_ms + second * 1000 + 500)
    _sample(world, job, [[start_ms + 1500, 3, 2, 96 << 20], [start_ms + 3500, 9, 9, 97 << 20]])
    world.pass_time(5)

    page = Pages(world).get(f"/ui/jobs/{job}")

    assert "Items/min: last 0, least 0, most 240, median 0" in page
    assert "Memory MiB: last 97, least 96, most 97, median 96" in page
    lines = _points(page)["lines"]
    assert lines["Items"] == {"values": [0, 120, 0, 240, 0]}
    assert lines["Memory"] == {"values": [None, 96, 96, 97, 97]}
    assert '<td class="n">4</td><td class="n">0</td><td class="n">97.0</td>' in page


def test_the_runs_before_are_a_band_behind_the_lines(world: World) -> None:
    """What is fetched while a job runs says where most former runs were at the same age."""
    for rate in (1, 2, 3, 4, 100):
        _run(world, rate)
    job = _run(world, 2, ends=False)

    now = Pages(world).get(f"/ui/jobs/{job}/now")
    page = Pages(world).get(f"/ui/jobs/{job}")

    line = _points(now)["lines"]["Items"]
    assert line["values"] == [120] * 4
    assert line["low"] == [84] * 4  # a tenth of the way: between 60 and 120
    assert line["high"] == [3696] * 4
    assert "the last 5 runs" in now
    assert "low" not in _points(page)["lines"]["Items"]
    assert "<dt>items/min</dt>" in page


def _run(world: World, rate: int, *, ends: bool = True) -> UUID:
    """Run a crawl that stores some items every second, for four seconds."""
    job = world.enqueue()
    world.artifacts.prepare(job)
    items = world.artifacts.records(job, RecordKind.ITEMS)
    for _ in range(4):
        items.write([b'{"a":1}'] * rate, now_ms=round(world.now().timestamp() * 1000) + 500)
        world.pass_time(1)
    if ends:
        world.launcher.crawl_of(job).finish()
    return job


def _sample(world: World, job: UUID, samples: Sequence[Sequence[Any]]) -> None:
    log = world.artifacts.records(job, RecordKind.SAMPLES)
    log.write([json.dumps(one).encode() for one in samples], now_ms=1)


def _points(page: str) -> Any:
    """Return what is drawn."""
    found = re.search(r'data-points="([^"]*)"', page)
    assert found
    return json.loads(html.unescape(found[1]))


@pytest.mark.parametrize(
    "sample",
    [[1], "text", [1, 2, 3, "x"], [1, 2, 3, -5], ["x", 2, 3, 4], {"a": 1}, [1, 2, 3, None]],
)
def test_strange_samples_draw_no_memory(world: World, sample: Any) -> None:
    """A client may write any array as a sample: what is no sample of a crawl is passed over."""
    job = world.enqueue()
    world.artifacts.prepare(job)
    items = world.artifacts.records(job, RecordKind.ITEMS)
    items.write([b'{"a":1}'], now_ms=round(world.now().timestamp() * 1000) + 500)
    _sample(world, job, [sample])
    world.pass_time(5)

    page = Pages(world).get(f"/ui/jobs/{job}")

    assert set(_points(page)["lines"]) == {"Items", "Pages"}
    assert "<dt>memory</dt>" not in page


def test_the_last_error_of_a_failed_crawl_is_opened(world: World) -> None:
    """It is shown whole, with a link to its line; a good crawl shows none."""
    job = world.enqueue()
    _log(world, job, [(40, "[x] first"), (40, "[x] wrong\n" + "\n".join("abcdefghij")), (20, "b")])
    pages = Pages(world)
    assert "Last error" not in pages.get(f"/ui/jobs/{job}")

    _end(world, job)
    failed = Finished(
        since=world.now(), started=None, attempt=1, outcome=Outcome.FAILED, reason="exit status 1"
    )
    world.do(world.store.jobs.edit(job, lambda job: replace(job, state=failed)))
    page = pages.get(f"/ui/jobs/{job}")

    assert f'Last error: <a href="/ui/jobs/{job}?around=2#L2">line 2</a>' in page
    assert "<code>wrong\na\nb\nc\nd\ne\nf\ng\nh\ni\nj</code>" in page


def test_the_way_to_the_jobs_of_a_spider_of_any_name(world: World) -> None:
    """The name in the trail leads to the jobs of just this spider, whatever is in its name."""
    name = '"a" state:failed \n<b>'
    world.put_project("shop", name)
    job = world.enqueue(project="shop", spider=name)
    other = world.enqueue()
    pages = Pages(world)

    (way,) = re.findall(r'href="(/ui/jobs\?q=[^"]*)"', pages.get(f"/ui/jobs/{job}"))

    listed = pages.get(html.unescape(way))
    assert f"/ui/jobs/{job}" in listed
    assert f"/ui/jobs/{other}" not in listed


def test_numbers_without_end_are_compared(world: World) -> None:
    """A statistic may be larger than any fraction: its pages are there all the same."""
    before, job = world.enqueue(), world.enqueue()
    _end(world, before)
    for one, value in ((before, 0.5), (job, 2**4000)):
        progress = Progress(stats={"n": value})
        world.do(world.store.jobs.edit(one, lambda job: replace(job, progress=progress)))  # noqa: B023 - called here
    pages = Pages(world)
    shown = words.number(2**4000)

    assert shown in pages.get(f"/ui/jobs/{job}/stats")
    assert shown[:100] in pages.get(f"/ui/compare?jobs={before},{job}")
