"""What a real crawl gets, does and leaves behind, spawned and forked."""

import fcntl
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest
from scrapy import Spider

from scrapy_do.errors import LaunchFailed
from scrapy_do.launchers import containment
from scrapy_do.protocol.facts import Progress
from scrapy_do.protocol.wire import CrawlLimits, CrawlSpec, ReportKind
from tests.launchers.harness import RealHarness, on_reactor, records

pytestmark = pytest.mark.live

STRANGE = {
    "empty": "",
    "dashes": "--pidfile=/tmp/x",
    "lines": "one\ntwo\r\n\ttab",
    "unicode": "žluťoučký \U0001f40e \u202e",
    "quotes": "'\"`$(id)\\",
    "equals": "a=b=c",
    "null": "a\0b",
    "payload": '{"a": [1, "two"]}',
}
MIB = 1024 * 1024


@on_reactor
async def test_counts_and_records(real: RealHarness) -> None:
    """Items, requests and log lines are counted, and kept as records with their parents."""
    spec = real.spec("pages")
    ending = await real.run(spec)

    lines = records(spec.placement.log)
    assert replace(ending.progress, stats={}) == Progress(
        items=3, requests=3, responses=3, log_lines=len(lines), errors=2
    )
    assert ending.progress.stats["item_scraped_count"] == 3
    assert sorted(item["text"] for item in records(spec.placement.items)) == ["one", "three", "two"]
    assert [(one["url"], one.get("parent")) for one in records(spec.placement.requests)] == [
        ("data:text/plain,one", None),
        ("data:text/plain,two", None),
        ("data:text/plain,three", 0),
    ]
    errors = [line["message"] for line in lines if line["level"] >= 40]
    assert sorted(errors) == [
        "[pages] an error line of three",
        "[pages] an error line of two",
    ]
    assert "an error line of two" in spec.placement.err.read_text()


class _Site(BaseHTTPRequestHandler):
    """One page, a redirect to it, and one that stumbles at its first request."""

    stumbled = False

    def do_GET(self) -> None:
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", "/page")
        elif self.path == "/stumble" and not _Site.stumbled:
            _Site.stumbled = True
            self.send_response(503)
        else:
            self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[str]:
    _Site.stumbled = False
    with ThreadingHTTPServer(("127.0.0.1", 0), _Site) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@on_reactor
async def test_a_response_is_a_record_of_a_request(real: RealHarness, site: str) -> None:
    """Redirects, also cached, tries that failed, cached pages and those of middlewares count."""
    spec = real.spec("wandering", arguments={"site": site})
    ending = await real.run(spec)

    kept = [
        (one["url"].removeprefix(site), one["status"]) for one in records(spec.placement.requests)
    ]
    assert sorted(kept) == [
        ("/made", 200),
        ("/page", 200),
        ("/page", 200),
        ("/redirect", 302),
        ("/redirect", 302),
        ("/stumble", 200),
        ("/stumble", 503),
    ]
    assert (
        ending.progress.responses == ending.progress.stats["downloader/response_count"] == len(kept)
    )
    assert ending.progress.requests == 4  # those that went out
    assert ending.progress.items == 4


@on_reactor
async def test_samples(real: RealHarness) -> None:
    """At its end a crawl notes the time, the requests into the queue and out, and its memory."""
    spec = real.spec("pages")
    ending = await real.run(spec)

    [[time_ms, *queued, memory_bytes]] = records(spec.placement.samples)
    assert isinstance(time_ms, int)
    assert 0 <= ending.ended_at.timestamp() * 1000 - time_ms < 60_000
    assert queued == [
        ending.progress.stats["scheduler/enqueued"],
        ending.progress.stats["scheduler/dequeued"],
    ]
    assert queued == [3, 3]
    assert 1 << 20 < memory_bytes < 1 << 30


@on_reactor
async def test_times_of_stats_are_whole(real: RealHarness) -> None:
    """They are whole milliseconds, as floats."""
    ending = await real.run(real.spec("noop"))
    times = [ending.progress.stats[name] for name in ("start_time", "finish_time")]
    assert [(type(time), time % 1) for time in times] == [(float, 0.0)] * 2


@on_reactor
async def test_arguments_arrive_verbatim(real: RealHarness) -> None:
    """Arguments are keyword arguments of the spider, whatever their text, never options."""
    spec = real.spec("mirror", arguments=STRANGE)
    await real.run(spec)

    (mirror,) = records(spec.placement.items)
    assert {name: mirror["arguments"].get(name) for name in STRANGE} == STRANGE


@on_reactor
async def test_the_environment_is_built(real: RealHarness) -> None:
    """A crawl sees the environment it was given and three names of ours, nothing else."""
    given = {"PATH": "/usr/bin", "TZ": "Asia/Kolkata", "ODD": "ž=\n", "SCRAPY_JOB": "mine"}
    spec = real.spec("mirror", environment=given)
    await real.run(spec)

    (mirror,) = records(spec.placement.items)
    assert mirror["environment"] == {
        **given,
        "SCRAPY_DO_JOB": str(spec.order.job_id),
        "SCRAPY_DO_RUN": spec.order.mark,
        "SCRAPY_SETTINGS_MODULE": "good.settings",
    }
    assert mirror["zone"] == 5.5 * 3600


@on_reactor
async def test_the_process_is_on_its_own(real: RealHarness) -> None:
    """A crawl has its own session and directory, an empty stdin, our constants in argv."""
    spec = real.spec("mirror", settings={"DEPTH_LIMIT": 7})
    await real.run(spec)

    (mirror,) = records(spec.placement.items)
    assert mirror["session"] is True
    assert mirror["directory"] == str(spec.placement.project_dir)
    assert mirror["stdin"] == ""
    assert mirror["depth"] == 7
    assert "mirror" not in mirror["argv"]
    assert spec.placement.out.read_text() == 'to stdout "\\u00fc"\n'
    assert "to stderr\n" in spec.placement.err.read_text()


@on_reactor
async def test_no_descriptor_of_ours_is_inherited(real: RealHarness) -> None:
    """The open files of a crawl are its own records and what Scrapy itself opened."""
    spec = real.spec("mirror")
    await real.run(spec)

    (mirror,) = records(spec.placement.items)
    targets = set(mirror["descriptors"].values())
    ours = {str(entry.readlink()) for entry in _own_descriptors()}
    assert targets & ours <= {"/dev/null", "anon_inode:[eventpoll]"}
    files = {target for target in targets if target.startswith("/")} - {"/dev/null"}
    files.remove(str(real.directory))  # where the reports go
    assert {Path(target).parent for target in files} == {spec.placement.out.parent}


def _own_descriptors() -> list[Path]:
    return [entry for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]


@on_reactor
async def test_output_is_appended(real: RealHarness) -> None:
    """A second attempt adds to the files of the first; its requests are numbered on."""
    first = real.spec("pages")
    await real.run(first)
    await real.run(real.spec("pages", job_id=first.order.job_id, attempt=2))

    parents = [one.get("parent") for one in records(first.placement.requests)]
    assert parents == [None, None, 0, None, None, 3]
    assert first.placement.err.read_text().count("Spider closed (finished)") == 2


@pytest.mark.parametrize(
    ("project", "spider", "words"),
    [
        ("good", "nosuch", "Spider not found: nosuch"),
        ("broken", "absent", "No module named 'no_such_module_anywhere'"),
        ("classic", "failing", "ValueError: no spider for you"),
    ],
)
@on_reactor
async def test_a_crawl_that_cannot_begin_fails(
    real: RealHarness, project: str, spider: str, words: str
) -> None:
    """Unknown spider, broken import, broken spider: status 1, never opened, reason on stderr."""
    spec = real.spec(spider, project=project)
    ending = await real.run(spec)

    assert (ending.status, ending.opened, ending.close_reason) == (1, False, None)
    assert words in spec.placement.err.read_text()


@on_reactor
async def test_a_spider_may_end_the_process(real: RealHarness) -> None:
    """A spider that ends its own process leaves its exit status and no close reason."""
    ending = await real.run(real.spec("exits", arguments={"status": "3"}))

    assert (ending.status, ending.opened, ending.close_reason) == (3, True, None)


@on_reactor
async def test_other_reactors_work(real: RealHarness) -> None:
    """A project that asks for a reactor without asyncio gets it."""
    spec = real.spec("classic", project="classic")
    ending = await real.run(spec)

    assert ending.close_reason == "finished"
    (item,) = records(spec.placement.items)
    assert item == {"reactor": "EPollReactor", "loop": False, "_type": "dict"}


@pytest.mark.skipif(
    hasattr(Spider, "start_requests"), reason="this version of Scrapy still calls start_requests"
)
@on_reactor
async def test_an_old_spider_is_explained(real: RealHarness) -> None:
    """A spider with nothing but start_requests crawls nothing, and its log says why."""
    spec = real.spec("old", project="classic")
    ending = await real.run(spec)

    assert ending.progress.requests == 0
    words = "WARNING: The spider defines start_requests() but not start(): Scrapy"
    assert spec.placement.err.read_text().count(words) == 1


@on_reactor
async def test_feeds_cache_and_job_directory(real: RealHarness) -> None:
    """What a project writes beside itself lands in the crawl's own directory."""
    spec = real.spec("stores", project="storing")
    ending = await real.run(spec)

    assert ending.close_reason == "finished"
    assert (spec.placement.project_dir / "items.json").read_text().split() == [
        "[",
        '{"text":',
        '"x"}',
        "]",
    ]
    assert (spec.placement.project_dir / "job").is_dir()
    assert (spec.placement.project_dir / ".scrapy" / "httpcache").is_dir()


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Have a directory as a crawl has its JOBDIR."""
    descriptor = os.open(directory, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    yield
    os.close(descriptor)


def _with_data(
    real: RealHarness, data: Path | None = None, **changes: Any
) -> tuple[CrawlSpec, Path]:
    """An order for a crawl that has a directory, this or a new one, for what it keeps."""
    if data is None:
        data = real.directory / "spider-data" / uuid4().hex
        data.mkdir(parents=True)
    environment = {"PATH": "/usr/bin:/bin", "SPIDER_DATA_DIR": str(data)}
    return real.spec("stores", project="storing", environment=environment, **changes), data


@on_reactor
async def test_what_scrapy_keeps_is_found_again(real: RealHarness) -> None:
    """Cache and JOBDIR outlive the crawl in the directory that its project keeps."""
    data = None
    for _ in range(2):
        spec, data = _with_data(real, data)
        assert (await real.run(spec)).close_reason == "finished"

    assert data is not None
    assert (data / ".scrapy" / "httpcache").is_dir()
    assert (data / "job" / "requests.seen").is_file()
    assert not (data / "items.json").exists()
    assert (spec.placement.project_dir / "items.json").is_file()


@on_reactor
async def test_a_job_directory_is_for_one_crawl(real: RealHarness) -> None:
    """While another crawl has the JOBDIR, a crawl gets an empty one, and its log says so."""
    spec, data = _with_data(real)
    (data / "job").mkdir()
    with locked(data / "job"):
        assert (await real.run(spec)).close_reason == "finished"

    assert list((data / "job").iterdir()) == []
    assert "JOBDIR job is used by another crawl now" in spec.placement.err.read_text()


@pytest.mark.parametrize("name", ["/absolute", "../outside", ".", "items.json/x"])
@on_reactor
async def test_only_what_is_below_is_kept(real: RealHarness, name: str) -> None:
    """A JOBDIR that does not lie below the project is left where it is."""
    if name == "/absolute":
        name = str(real.directory / "absolute")
    spec, data = _with_data(real, settings={"JOBDIR": name})
    (spec.placement.project_dir / "items.json").touch()
    await real.run(spec)

    assert {path.name for path in data.iterdir()} == {".scrapy"}


@on_reactor
async def test_a_data_directory_of_another_name(real: RealHarness) -> None:
    """What `[datadir]` of scrapy.cfg names is kept in place of `.scrapy`, with what came along."""
    spec, data = _with_data(real)
    with (spec.placement.project_dir / "scrapy.cfg").open("a") as file:
        file.write("[datadir]\ndefault = var/state\n")
    (spec.placement.project_dir / "var/state").mkdir(parents=True)
    (spec.placement.project_dir / "var/state/seed").write_text("brought along")
    await real.run(spec)

    assert (data / "var/state/httpcache").is_dir()
    assert (data / "var/state/seed").read_text() == "brought along"
    assert not (data / ".scrapy").exists()


@on_reactor
async def test_what_came_along_is_taken_once(real: RealHarness) -> None:
    """A `.scrapy` of the archive fills an empty one, and never overwrites what crawls keep."""
    data = None
    for text in ("first", "second"):
        spec, data = _with_data(real, data)
        (spec.placement.project_dir / ".scrapy").mkdir()
        (spec.placement.project_dir / ".scrapy/seed").write_text(text)
        await real.run(spec)

    assert data is not None
    assert (data / ".scrapy/seed").read_text() == "first"


@on_reactor
async def test_reports_are_snapshots(real: RealHarness) -> None:
    """The last report says what the result says, so none of the earlier ones is needed."""
    crawl = await real.launch("pages")
    report = await real.report(crawl, ReportKind.CLOSED)
    ending = await crawl.ended

    assert report.close_reason == ending.close_reason == "finished"
    assert report.progress.items == ending.progress.items


@on_reactor
async def test_a_greedy_crawl_is_closed(real: RealHarness) -> None:
    """A crawl that meets its memory limit is closed with a reason, its neighbours are not."""
    neighbour = await real.launch("sleeper")
    spec = real.spec("greedy", limits=CrawlLimits(address_space_bytes=700 * MIB))
    ending = await real.run(spec)

    assert (ending.status, ending.close_reason) == (0, "memusage_exceeded")
    assert "MemoryError" in spec.placement.err.read_text()
    assert not neighbour.ended.called
    neighbour.kill()
    await neighbour.ended


@on_reactor
async def test_a_flood_is_capped(real: RealHarness) -> None:
    """A crawl that prints beyond the largest file does not notice; the file stays at that size."""
    spec = real.spec("flood", limits=CrawlLimits(file_size_bytes=MIB))
    ending = await real.run(spec)

    assert ending.close_reason == "finished"
    assert spec.placement.out.stat().st_size == MIB
    assert ending.progress.stats["scrapy_do/dropped/out_bytes"] == 3 * MIB
    assert records(spec.placement.items) == []


@on_reactor
async def test_a_log_is_cut(real: RealHarness) -> None:
    """A crawl that logs and prints too much goes on; its log says where it ends, and counts."""
    limit_bytes = 64 * 1024
    spec = real.spec(
        "chatty", arguments={"lines": "2000"}, limits=CrawlLimits(log_bytes=limit_bytes)
    )
    ending = await real.run(spec)

    last = "... the log is cut here at 65536 bytes ..."
    assert spec.placement.err.read_text().endswith(f"\n{last}\n")
    assert len(f"\n{last}\n") >= spec.placement.err.stat().st_size - limit_bytes >= len(last)
    printed, rest = spec.placement.out.read_text().split(f"\n{last}\n")
    assert (limit_bytes, "a child\n") == (len(printed), rest)
    assert "".join(f"print {number} {'y' * 100}\n" for number in range(2000)).startswith(printed)
    kept = records(spec.placement.log)
    assert kept[-1]["message"] == last
    assert [item["said"] for item in records(spec.placement.items)] == [2000]
    assert ending.close_reason == "finished"
    assert ending.progress.log_lines > 2000
    assert (
        ending.progress.stats["scrapy_do/dropped/log_lines"]
        == ending.progress.log_lines - len(kept) + 1
    )
    assert ending.progress.stats.keys() >= {
        f"scrapy_do/dropped/{name}_bytes" for name in ("out", "err")
    }


@on_reactor
async def test_lost_items_are_counted(real: RealHarness) -> None:
    """Items that their file cannot take are not lost in silence: the log and the result say so."""
    spec = real.spec("pages")
    assert spec.placement.items is not None
    spec.placement.items.mkdir()
    ending = await real.run(spec)

    assert ending.progress.items == 3
    assert ending.progress.stats["scrapy_do/dropped/items"] == 3
    assert "Records are lost, items.jsonl cannot be written" in spec.placement.err.read_text()


@on_reactor
async def test_a_crawl_without_descriptors_goes_on(real: RealHarness) -> None:
    """A spider that closes all our descriptors loses its own records, not its exit."""
    crawl = await real.launch("closer")
    ending = await crawl.ended

    assert ending.signal is None
    assert ending.lost is None


@pytest.mark.parametrize("end", ["exit", "crash", "kill"])
@on_reactor
async def test_nobody_escapes(real: RealHarness, end: str) -> None:
    """Children that left the session, or were forked twice, are gone when the crawl is."""
    spec = real.spec("parent", arguments={"end": end})
    crawl = await real.launcher.launch(spec)
    if end == "kill":
        await real.heard(crawl)
        crawl.kill()
    ending = await crawl.ended

    signals = {"exit": None, "crash": signal.SIGSEGV, "kill": signal.SIGKILL}
    assert ending.signal == signals[end]
    # The keeper of a spawned crawl goes last, by itself.
    await real.until(lambda: not list(containment._marked(spec.order.mark)))


@on_reactor
async def test_a_stopped_crawl_is_killed(real: RealHarness) -> None:
    """A crawl that stopped itself cannot close its spider, and is killed all the same."""
    crawl = await real.launch("stopped")
    stat = Path(f"/proc/{real.started(crawl).crawl.pid}/stat")
    await real.until(lambda: ") T " in stat.read_text())
    crawl.ask_to_stop()
    crawl.kill()

    assert (await crawl.ended).signal == signal.SIGKILL


@on_reactor
async def test_a_start_that_cannot_be_is_refused(real: RealHarness) -> None:
    """No interpreter, no run directory, no place for the output: no crawl, and the reason."""
    spec = real.spec("noop", python="/nonexistent/python")
    with pytest.raises(LaunchFailed, match="No such file"):
        await real.launcher.launch(spec)
    spec = real.spec("noop")
    spec.placement.run_dir.rmdir()
    with pytest.raises(LaunchFailed, match="No such file"):
        await real.launcher.launch(spec)
    spec = real.spec("noop", err=spec.placement.run_dir / "nowhere" / "err")
    with pytest.raises(LaunchFailed, match="FileNotFoundError"):
        await real.launcher.launch(spec)


@on_reactor
async def test_a_crawl_without_a_place_fails(real: RealHarness) -> None:
    """A crawl whose directory is gone has run nothing, and says so on stderr."""
    spec = real.spec("noop")
    shutil.rmtree(spec.placement.project_dir)
    ending = await real.run(spec)

    assert (ending.status, ending.opened) == (1, False)
    assert spec.placement.err.read_text().startswith("The crawl cannot be prepared: ")


@on_reactor
async def test_an_order_has_a_limit(real: RealHarness) -> None:
    """An order that no holder would read to its end is refused."""
    with pytest.raises(LaunchFailed, match="too large"):
        await real.launch("noop", arguments={"a": "x" * 5_000_000})


@on_reactor
async def test_descriptors_do_not_leak(real: RealHarness) -> None:
    """After a crawl, good or refused, as many descriptors are open as before."""
    await real.run(real.spec("noop"))
    before = len(_own_descriptors())
    await real.run(real.spec("noop"))
    with pytest.raises(LaunchFailed):
        await real.launcher.launch(real.spec("noop", err=Path("/nonexistent/err")))

    await real.until(lambda: len(_own_descriptors()) <= before)
